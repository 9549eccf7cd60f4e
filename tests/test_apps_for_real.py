"""What the checks promise holds in a real federation: bundle hash, configuration, the new app."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import tomli_w
from flwr.cli.build import build_fab_from_disk

from blossomtune_gradio.flower.apps.catalogue import (
    check,
    form_value,
    read_app,
    typed_value,
    validated_config,
    write_run_config,
)
from blossomtune_gradio.flower.apps.template import new_app
from blossomtune_gradio.flower.lines.round_log import Point, RoundParser
from tests.flower_stack import APPS
from tests.test_run_config import same

pytest_plugins = ["tests.flower_fixtures"]
QUICKSTART = Path(__file__).parents[1] / "flower_apps" / "quickstart_huggingface"
PRINTER = """
import json
from flwr.serverapp import ServerApp

app = ServerApp()


@app.main()
def main(grid, context):
    print("CONFIG " + json.dumps(dict(context.run_config)), flush=True)
"""
DEFAULTS = {
    "int": [0, 1, -1, 7, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)],
    "float": [0.0, 1.0, -1.5, 0.1, 1e16, 1e-7, 5e-324, 1.7976931348623157e308, -0.0, 3.0],
    "bool": [True, False],
    "str": ["", "a", "two words", "it's", 'say "x"', "\\n", "a\nb", "# no", "1", "true", "a = 1"],
    "odd": ["\t", "雪", "🌸", "{}", "[1]", "'''", '"""', "\\", "ü" * 300, "C:\\data"],
}
EXTREMES = {"inf": float("inf"), "minus-inf": float("-inf"), "nan": float("nan")}


@pytest.mark.parametrize("folder", [QUICKSTART, *(path for path in APPS.iterdir())], ids=str)
def test_the_bundle_hash_is_the_one_of_flower(folder):
    expected = hashlib.sha256(build_fab_from_disk(folder)).hexdigest()
    assert read_app(folder, folder.parent).bundle_hash == expected


def test_the_bundle_hash_is_the_one_of_flwr_build_whatever_lies_beside(tmp_path):
    folder = new_app(tmp_path, "mine")
    package = folder / "mine"
    (folder / ".gitignore").write_text("*.json\n!keep.json\n/notes/**\n")
    (folder / "LICENSE").write_text("free")
    (folder / "notes").mkdir()
    for name in ("drop.json", "keep.json", "data.csv", "weights.bin", ".hidden.py", "odd,name.py"):
        (package / name).write_text("1")
    for name in ("notes/a.md", "mine/test_x.py", "mine/x_test.py", "mine/link.py"):
        if name.endswith("link.py"):
            (folder / name).symlink_to("task.py")
        else:
            (folder / name).write_text("x = 1")
    for name in (".venv", "__pycache__", "venv", "build", ".flwr", "node_modules", "mine/.venv"):
        (folder / name).mkdir()
        (folder / name / "some.py").write_text("x = 1")
    done = subprocess.run(
        [Path(sys.executable).with_name("flwr"), "build", "--app", folder],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={"FLWR_HOME": str(tmp_path / "home"), "FLWR_DISABLE_UPDATE_CHECK": "1"}
        | {"FLWR_TELEMETRY_ENABLED": "0", "PATH": "/usr/bin:/bin"},
    )
    [fab] = tmp_path.glob("*.fab")
    app = check(folder)
    assert app.runnable, app.findings
    assert app.bundle_hash == hashlib.sha256(fab.read_bytes()).hexdigest(), done.stdout
    assert app.bundle_size == fab.stat().st_size


@pytest.mark.slow
def test_a_new_app_learns_over_real_sites(two_sites, tmp_path):
    app = check(new_app(tmp_path, "mine"))
    config = validated_config(app, {"num-server-rounds": 1})
    run_id = two_sites.submit(app.path, write_run_config(tmp_path / "run.toml", config))
    fact = two_sites.wait_for_end(run_id)
    log = two_sites.run_log(run_id)
    assert (fact.status, fact.sub_status) == ("finished", "completed"), log
    assert fact.fab_hash == app.bundle_hash
    parser = RoundParser()
    events = [event for line in log.splitlines() for event in parser.feed(line)]
    accuracy = {
        one.round: one.value
        for one in events
        if isinstance(one, Point) and one.name == "server/accuracy"
    }
    assert accuracy[1] > 0.9 > accuracy[0]
    assert "blossom" not in log.lower()


@pytest.mark.slow
def test_a_run_gets_its_configuration_unchanged_in_type_and_value(two_sites, tmp_path):
    wanted = {f"{kind}-{n}": one for kind, all_ in DEFAULTS.items() for n, one in enumerate(all_)}
    wanted |= EXTREMES | {"inner.deep.rate": 0.25, "inner.on": False, "inner.name": "ä"}
    app = check(printing_app(tmp_path, wanted))
    assert app.runnable, app.findings
    assert len(app.fields) == len(wanted) > 40
    shown = json.loads(json.dumps({key: form_value(value) for key, value in wanted.items()}))
    filled = {field.key: typed_value(field, shown[field.key]) for field in app.fields}
    file = write_run_config(tmp_path / "run.toml", validated_config(app, filled))
    run_id = two_sites.submit(app.path, file)
    fact = two_sites.wait_for_end(run_id)
    log = two_sites.run_log(run_id)
    assert fact.sub_status == "completed", log
    [line] = [line for line in log.splitlines() if line.startswith("CONFIG ")]
    got = json.loads(line.removeprefix("CONFIG "))
    assert set(got) == set(wanted)
    for key, value in wanted.items():
        assert same(got[key], value), key


def printing_app(folder, config):
    """A new app whose server prints what it was given; its defaults differ from `config`."""
    path = new_app(folder, "printer")
    (path / "printer" / "server_app.py").write_text(PRINTER)
    file = path / "pyproject.toml"
    head = file.read_text().partition("[tool.flwr.app.config]")[0]
    other = {bool: True, int: 5, float: 0.5, str: "default"}
    tables = {"tool": {"flwr": {"app": {"config": {k: other[type(v)] for k, v in config.items()}}}}}
    file.write_text(head + tomli_w.dumps(tables))
    return path
