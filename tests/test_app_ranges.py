"""Ranges in an app's remarks, and the number of rounds, are kept wherever a run is asked for."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from blossomtune_gradio.errors import InvalidFields, InvalidInput
from blossomtune_gradio.flower.apps.catalogue import check, validated_config
from blossomtune_gradio.flower.apps.facts import ConfigField, FlowerApp, config_type
from blossomtune_gradio.flower.apps.ranges import range_of
from blossomtune_gradio.flower.apps.template import new_app
from blossomtune_gradio.services.runs.asking.request import RunRequest, checked
from blossomtune_gradio.services.runs.limits import RunLimits

BUNDLED = Path(__file__).parents[1] / "flower_apps" / "quickstart_huggingface"


def setting(default, comment, key="value"):
    return ConfigField(key, config_type(default), default, comment)


@pytest.mark.parametrize(
    ("default", "comment", "said"),
    [
        (3, "1..100", "1 to 100"),
        (3, "1 .. 100", "1 to 100"),
        (3, "how many, 1..100 of them", "1 to 100"),
        (3, "1..", "at least 1"),
        (3, "at most: ..10", "at most 10"),
        (-3, "-5..5", "-5 to 5"),
        (0.5, "0.0..1.0", "0.0 to 1.0"),
        (0.5, "0..1", "0.0 to 1.0"),
        (1e-5, "1e-6..1e-2, the step", "1e-06 to 0.01"),
    ],
)
def test_a_range_in_a_remark_is_read(default, comment, said):
    assert str(range_of(setting(default, comment))) == said


@pytest.mark.parametrize(
    ("default", "comment"),
    [
        (3, ""),
        (3, "1, 2, 3..."),
        (3, "see ../data"),
        (3, "v1..v9"),
        (3, "1...5"),
        (3, "from 1 to 100"),
        (3, "1..5 or 10..50"),
        (30, "1..10"),  # its own default lies outside: it means something else
        ("a", "1..10"),
        (True, "0..1"),
    ],
)
def test_what_is_no_range_limits_nothing(default, comment):
    assert range_of(setting(default, comment)) is None


@pytest.mark.parametrize("key", ["num-server-rounds", "num_server_rounds", "num-rounds"])
def test_rounds_are_at_least_one_without_a_remark(key):
    app = FlowerApp("app", Path(), config={key: 3})
    assert validated_config(app, {key: 1})[key] == 1
    for value in (0, -3):
        with pytest.raises(InvalidInput, match=f"{key} must be at least 1, got {value}"):
            validated_config(app, {key: value})
    endless = replace(app, config={key: -1})  # what the app means by it is its own affair
    assert validated_config(endless, {key: -3})[key] == -3


def test_a_value_outside_is_told_at_its_field():
    config = {"rate": 0.5, "rounds": 3, "min-sites": 2}
    comments = {"rate": "0.0..1.0", "min-sites": "1..4"}
    app = FlowerApp("app", Path(), config=config, comments=comments)
    for bad in (1.5, -0.1, math.nan, math.inf, 2):
        with pytest.raises(InvalidFields) as told:
            checked(app, RunRequest(config={"rate": bad}))
        assert "0.0 to 1.0" in told.value.fields["config.rate"]
    assert checked(app, RunRequest(config={"rate": 1}))["rate"] == 1.0
    with pytest.raises(InvalidFields) as told:
        checked(app, RunRequest(limits=RunLimits(min_sites=9)))
    assert "min-sites must be 1 to 4" in told.value.fields["min_sites"]


@pytest.mark.parametrize("app", ["bundled", "new"])
def test_our_own_apps_say_their_ranges(app, tmp_path):
    found = check(BUNDLED if app == "bundled" else new_app(tmp_path, "my-app"))
    ranges = {field.key: str(range_of(field)) for field in found.fields}
    assert ranges["num-server-rounds"] == "1 to 1000"
    assert ranges["min-sites"] == "at least 1"
    assert validated_config(found, {}) == found.config
