"""A configuration goes through the form, a file and Flower's own parser without any change.

The real run of it is in test_apps_for_real.py.
"""

import json
from pathlib import Path

from flwr.common.config import parse_config_args
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from blossomtune_gradio.flower.apps.catalogue import (
    FlowerApp,
    form_value,
    typed_value,
    validated_config,
    write_run_config,
)

WORDS = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-3, 3),
    st.floats(),  # nan and inf included
    st.sampled_from([0.0, -0.0, 1.0, 1e16, 1e-7, 5e-324, 1.7976931348623157e308]),
    WORDS,
    st.sampled_from(
        ["true", "1", "1.0", "nan", "", " ", '"', "'", "\\", '"""', "#", "a = 1", "{}"]
    ),
)
KEYS = st.one_of(
    st.from_regex(r"[a-z][a-z0-9-]{0,10}(\.[a-z]{1,3}){0,2}", fullmatch=True),
    st.sampled_from(["Grüße", "a b", 'q"uote', "true", "1", "a#b", "a=b", "-"]),
)
TYPED = st.one_of(
    st.tuples(st.booleans(), st.booleans()),
    st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.floats(), st.floats()),
    st.tuples(WORDS, WORDS),
    VALUES.map(lambda value: (value, value)),
)


def an_app(defaults):
    """An app with these defaults, as if it had been read."""
    return FlowerApp(name="app", path=Path("app"), title="app", config=defaults)


def same(one, other):
    """Equal in type and value; nan equals nan, -0.0 does not equal 0.0."""
    return (type(one), repr(one)) == (type(other), repr(other))


@hypothesis_settings(
    max_examples=1000,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(chosen=st.dictionaries(KEYS, TYPED, max_size=8))
def test_a_thousand_configurations_reach_flower_unchanged(tmp_path, chosen):
    app = an_app({key: default for key, (default, _) in chosen.items()})
    wanted = {key: value for key, (_, value) in chosen.items()}
    fields = {field.key: field for field in app.fields}
    shown = json.loads(json.dumps({key: form_value(value) for key, value in wanted.items()}))
    filled = {key: typed_value(fields[key], given) for key, given in shown.items()}
    file = write_run_config(tmp_path / "run.toml", validated_config(app, filled))
    read = parse_config_args([str(file)])  # what `flwr run --run-config FILE` itself calls
    assert list(read) == list(wanted)
    for key, value in wanted.items():
        assert same(read[key], value), key
