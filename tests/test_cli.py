"""`blossomtune …` as a real program: against a real server, with real runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from blossomtune_gradio.store.models import Run, RunStatus
from tests.live import PATH, LiveFederation
from tests.people import ADMIN, ask, mailed_code, person
from tests.support import wait_for

pytestmark = pytest.mark.slow
DOCS = Path(__file__).parent.parent / "docs"
SERVER = [sys.executable, "-m", "blossomtune_gradio.cli"]
SHIM = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m blossomtune_gradio.cli "$@"\n'


class Terminal:
    """A folder of its own, where `blossomtune` is found and knows its data directory."""

    def __init__(self, folder: Path, data_dir: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        tools = folder / "bin"
        tools.mkdir()
        (tools / "blossomtune").write_text(SHIM)
        (tools / "blossomtune").chmod(0o755)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("BLOSSOMTUNE_")}
        self.env = {
            **kept,
            "PATH": f"{tools}:{PATH}",
            "BLOSSOMTUNE_DATA_DIR": str(data_dir),
            "PYTHONPATH": str(DOCS.parent),
        }

    def run(self, line: str, seconds: float = 400) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", line],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def good(self, line: str) -> str:
        done = self.run(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def json(self, line: str) -> object:
        return json.loads(self.good(f"{line} --json"))


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFederation]:
    folder = tmp_path_factory.mktemp("cli")
    with LiveFederation(folder) as made:
        made.app.tokens.hand_out_locally(made.app.settings.data_dir, made.server.url)
        yield made


@pytest.fixture(scope="module")
def terminal(federation: LiveFederation) -> Terminal:
    folder = federation.folder / "terminal"
    made = Terminal(folder, federation.app.settings.data_dir)
    made.env["BLOSSOMTUNE_FLOWER_APPS_DIR"] = str(federation.app.settings.flower_apps_dir)
    (folder / "flower_apps").mkdir()
    return made


def commands(page: str) -> list[str]:
    """Every line of every sh block."""
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def test_every_command_of_the_manual_works_in_its_order(federation, terminal):
    app = federation.app
    carla, dora = person("carla"), person("dora")
    for user in (carla, dora):
        ask(app.participants, user)
    app.participants.confirm(carla, mailed_code(app.outbox, carla))
    for line in commands("cli.md"):
        said = terminal.good(line)
        if line.startswith("blossomtune request kit"):
            federation.add_sites("North")  # somebody has to do the work of the runs
        if line.startswith("blossomtune superlink status"):
            assert said.splitlines() == ["superlink is running", "executor is running"]
        if line.startswith("blossomtune run wait"):
            assert "completed" in said
    log = app.logs.since({"run-1": 0}, ["run-1"], limit=10_000).lines
    assert len(terminal.good("blossomtune run log 1").splitlines()) == len(log) > 10
    run = terminal.json("blossomtune run show 1")
    assert (run["note"], run["tags"], run["pinned"]) == ("first one", ["pilot"], True)
    assert run["metrics"]
    assert not federation.app.superlink.running


def test_every_command_of_the_rest_manual_works(federation, terminal):
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    url = federation.server.url
    script = "set -e\n" + "\n".join(f"{line} > out.txt" for line in commands("api.md"))
    script = script.replace(" | head -1) > out.txt", " | head -1)")
    done = terminal.run(f"export BLOSSOMTUNE_URL={url}\n{script}")
    assert done.returncode == 0, done.stderr
    assert json.loads((terminal.folder / "out.txt").read_text())["entries"]


def test_run_wait_tells_by_its_code_how_a_run_ended(federation, terminal):
    app = federation.app
    made = terminal.json("blossomtune run start message_app --name waits --set min-nodes=9")
    late = terminal.run(f"blossomtune run wait {made['id']} --deadline 0.1")
    assert (late.returncode, "is still queued" in late.stdout) == (3, True), late
    terminal.good(f"blossomtune run stop {made['id']}")
    assert terminal.run(f"blossomtune run wait {made['id']}").returncode == 2
    assert terminal.run("blossomtune run wait 999").returncode == 4
    broken = terminal.json("blossomtune run start message_app --name breaks --set min-nodes=9")
    with app.database.write() as session:
        session.get_one(Run, broken["id"]).move_to(RunStatus.FAILED, "It was made to.")
    failed = terminal.run(f"blossomtune run wait {broken['id']}")
    assert (failed.returncode, "It was made to." in failed.stdout) == (1, True)


def test_an_error_is_the_sentence_of_the_page_and_exit_code_2(federation, terminal):
    for line, sentence in (
        ("run start nothing", "There is no Flower app 'nothing'"),
        ("run start message_app --set size=ten", "size must be a whole number"),
        ("run start message_app --set size", "not of the form KEY=VALUE"),
        ("run show 999", "This run does not exist"),
        ("request approve 999", "does not exist"),
        ("app check nowhere", "There is no folder"),
        ("app new ../x --folder flower_apps", "cannot be the name of an app"),
        ("audit list --since yesterday", "is no moment"),
        ("run list --url http://127.0.0.1:9 --token x", "No BlossomTune answers"),
        ("run list --url ftp://x --token x", "must be like https://"),
        ("run list --url http://127.0.0.1:9", "no token was given"),
    ):
        done = terminal.run(f"blossomtune {line}")
        assert done.returncode == 2, line
        assert sentence in done.stderr, (line, done.stderr)
        assert "Traceback" not in done.stderr
    told = terminal.run("blossomtune run show 999 --json")
    assert json.loads(told.stdout)["status"] == 404


def test_what_others_wrote_is_harmless_in_the_terminal(federation, terminal):
    user = person("eve")
    federation.app.participants.request_access(
        user, "Site eve", "eve@example.org", message="\x1b[31mred\x07\u202e<b>"
    )
    said = terminal.good("blossomtune request list --status requested")
    assert "red" in said
    assert all(line.isprintable() for line in said.splitlines())


def test_a_token_of_a_lesser_role_may_do_less(federation, terminal):
    line = "blossomtune token create --name looker --role participant --days 1"
    secret = terminal.json(line)["token"]
    env = f"BLOSSOMTUNE_URL={federation.server.url} BLOSSOMTUNE_TOKEN={secret}"
    terminal.good(f"{env} blossomtune superlink status")
    refused = terminal.run(f"{env} blossomtune run start message_app")
    assert (refused.returncode, "Only a researcher or an admin" in refused.stderr) == (2, True)
    assert federation.app.audit.verify(ADMIN, afresh=True).good  # written beside the server


def test_a_backup_is_private_whole_and_comes_back(federation, terminal, tmp_path):
    file = tmp_path / "b.tar.gz"
    terminal.good(f"blossomtune backup {file}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert terminal.run(f"blossomtune backup {file}").returncode == 2  # never over another
    with tarfile.open(file) as tar:
        assert {"blossomtune.db", "audit.head", "audit.key", "certificates/ca.pem"} <= set(
            tar.getnames()
        )
    home = tmp_path / "home"
    terminal.good(f"blossomtune restore {file} --data-dir {home}")
    assert "unbroken" in terminal.good(f"blossomtune audit verify --data-dir {home}")
    assert stat.S_IMODE((home / "certificates" / "ca.key").stat().st_mode) == 0o600
    again = terminal.run(f"blossomtune restore {file} --data-dir {home}")
    assert (again.returncode, "has a database already" in again.stderr) == (2, True)
    here = federation.app.settings.data_dir
    busy = terminal.run(f"blossomtune restore {file} --data-dir {here}")
    assert (busy.returncode, "is using" in busy.stderr) == (2, True)


@pytest.mark.parametrize("name", ["../evil", "/evil", "certificates/../../evil", "other.txt"])
def test_a_backup_with_something_foreign_in_it_is_refused(terminal, tmp_path, name):
    file = tmp_path / "b.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        for member in ("blossomtune-backup.json", name):
            tar.addfile(tarfile.TarInfo(member))
    done = terminal.run(f"blossomtune restore {file} --data-dir {tmp_path / 'home'}")
    assert (done.returncode, "something foreign" in done.stderr) == (2, True)
    assert not (tmp_path / "evil").exists()


def test_doctor_names_what_is_wrong_and_how_to_mend_it(federation, terminal, tmp_path):
    data = federation.app.settings.data_dir
    good = terminal.run("blossomtune doctor")
    assert good.returncode == 0, good.stdout
    assert all(line.startswith("PASS") for line in good.stdout.splitlines())
    copy = tmp_path / "sick"
    terminal.good(f"blossomtune backup {tmp_path}/b.tar.gz")
    terminal.good(f"blossomtune restore {tmp_path}/b.tar.gz --data-dir {copy}")
    (copy / "audit.key").chmod(0o644)
    (copy / "audit.head").unlink()
    (copy / "blossomtune.db").write_bytes(b"no database at all" * 1000)
    apps = tmp_path / "apps"
    apps.mkdir()
    line = f"BLOSSOMTUNE_FLOWER_APPS_DIR={apps} blossomtune doctor --json --data-dir {copy}"
    sick = terminal.run(line)
    assert sick.returncode == 1
    bad = {row["check"]: row["sentence"] for row in json.loads(sick.stdout) if not row["good"]}
    assert "chmod 600" in bad["secrets"]
    assert "Restore a backup" in bad["database"]
    assert "audit.head is missing" in bad["audit trail"]
    assert "blossomtune app new" in bad["Flower apps"]
    assert data.exists()


def test_serve_lets_the_command_line_of_its_own_user_in_and_no_longer(tmp_path):
    terminal = Terminal(tmp_path / "terminal", tmp_path / "data")
    terminal.env |= {"BLOSSOMTUNE_PORT": "0", "BLOSSOMTUNE_FLEET_PORT": "0"}
    file = tmp_path / "data" / "local-token"
    with (tmp_path / "out.txt").open("wb") as out:
        serving = subprocess.Popen([*SERVER, "serve"], env=terminal.env, stdout=out, stderr=out)
    try:
        wait_for(lambda: file.exists() or serving.poll() is not None, 120)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert terminal.good("blossomtune run list") == "No run yet.\n"
        secret = json.loads(file.read_text())["token"]
        assert secret not in terminal.good("blossomtune token list")
    finally:
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(60) == 0
    assert not file.exists()
    after = terminal.run("blossomtune run list")
    assert (after.returncode, "No running server" in after.stderr) == (2, True)
