"""The Flower before the newest one that was tested is still accepted, as server and as site."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

from blossomtune_gradio.site.preflight import GO_TOGETHER
from blossomtune_gradio.store.models import RunStatus
from tests.live import LiveFederation
from tests.people import ADMIN

ROOT = Path(__file__).parent.parent
OLDER = "1.41.0"
# What stands for the places of Flower that are not public, and for what we work round.
CONTRACTS = (
    "test_flower_control",
    "test_flower_commands",
    "test_server_process",
    "test_forged_replies",
    "test_locked_database",
    "test_handover",
    "test_gateway",
    "test_runs",
)


def test_what_runs_here_is_one_of_the_versions_that_go_together():
    assert ".".join(metadata.version("flwr").split(".")[:2]) in GO_TOGETHER
    assert ".".join(OLDER.split(".")[:2]) in GO_TOGETHER


@pytest.fixture(scope="module")
def older(tmp_path_factory) -> Path:
    """A Python that has everything this one has, and the older flwr before it."""
    home = tmp_path_factory.mktemp("older")
    make = [sys.executable, "-m", "venv", "--without-pip", str(home)]
    subprocess.run(make, check=True, capture_output=True)
    packages = next((home / "lib").glob("python*/site-packages"))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(packages)]
    got = subprocess.run([*pip, f"flwr=={OLDER}"], capture_output=True, text=True)
    if got.returncode:
        pytest.skip(f"flwr {OLDER} cannot be installed here: {got.stderr[-300:]}")
    (packages / "00_here.pth").write_text(f"{ROOT}\n")
    below = {path for path in sys.path if path.endswith("site-packages")}
    below.add(sysconfig.get_path("purelib"))
    (packages / "10_rest.pth").write_text("\n".join(sorted(below)) + "\n")
    python = home / "bin" / "python"
    for name, start in scripts():
        file = python.with_name(name)
        module, function = start.split(":")
        file.write_text(f"#!{python}\nfrom {module} import {function}\n{function}()\n")
        file.chmod(0o755)
    asked = [str(python), "-c", "from importlib import metadata as m; print(m.version('flwr'))"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == OLDER
    return python


def scripts() -> list[tuple[str, str]]:
    """Flower's programs: their names, and where each starts."""
    points = metadata.distribution("flwr").entry_points
    return [(point.name, point.value) for point in points if point.group == "console_scripts"]


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", CONTRACTS)
def test_the_older_flower_keeps_the_contract(older, name):
    command = [str(older), "-m", "pytest", "-q", "-n", "0", f"tests/{name}.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.soak
def test_a_site_with_the_older_flower_trains_with_the_newer_server(older, tmp_path):
    with LiveFederation(tmp_path) as live:
        live.app.federation.start(by=ADMIN)
        live.add_sites("newer")
        live.python = str(older)
        live.add_sites("older")
        ended = live.ended(live.start("message_app", num_server_rounds=2, min_nodes=2))
        assert ended.status is RunStatus.COMPLETED, live.log(f"run-{ended.id}")
