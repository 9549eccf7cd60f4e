"""Faults as they happen, in real programs: each ends in a card with cause, evidence, next step.

Most are queued at once in one federation and looked at one by one, so that it takes two minutes and
not ten.
"""

from __future__ import annotations

import random
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from datetime import timedelta

import pytest

from blossomtune_gradio.errors import BlossomError, DatabaseBusy, InvalidInput
from blossomtune_gradio.store.models import Run, RunStatus
from tests.live import LiveFederation
from tests.people import ADMIN
from tests.support import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
COMPLETED, FAILED = RunStatus.COMPLETED, RunStatus.FAILED
ONE_ROUND = {"num-server-rounds": 1}
# name: (configuration, how the run ends, the cause, words the card must have)
FAULTS: dict[str, tuple[dict[str, object], RunStatus, str, str]] = {
    "bad import": ({"server": "bad-import"}, FAILED, "bad-import", "no_such_name"),
    "missing dependency": (
        {"server": "missing-dependency"},
        FAILED,
        "missing-dependency",
        "a_library_that_is_not_installed",
    ),
    "wrong config type": (
        {"server": "wrong-type", "faulty": "x"},
        FAILED,
        "exception",
        "TypeError",
    ),
    "exception of the server": ({"server": "exception"}, FAILED, "exception", "told to fail"),
    "server killed": ({"server": "killed"}, FAILED, "server-killed", "heartbeat"),
    "disk full": ({"server": "disk-full"}, FAILED, "disk-full", "No space left"),
    "database locked": ({"server": "database-locked"}, FAILED, "database-locked", "locked"),
    "partition-id": ({"client": "partition-id"}, FAILED, "partition-id", "North"),
    "one client fails": (
        {"client": "exception", "faulty": "0"},
        COMPLETED,
        "exception",
        "North",
    ),
    "all clients fail": ({"client": "exception"}, FAILED, "exception", "No site could train"),
    "not a number": ({"client": "nan"}, FAILED, "not a number", "loss"),
    "other metric names": ({"client": "other-keys", "faulty": "1"}, FAILED, "metric-keys", ""),
    "other shape": ({"client": "other-shape", "faulty": "1"}, FAILED, "shape-mismatch", ""),
    "client out of memory": ({"client": "memory"}, FAILED, "out-of-memory", "MemoryError"),
    "nothing changed": (
        {"client": "nothing-changed", "num-server-rounds": 3},
        FAILED,
        "nothing changed",
        "loss",
    ),
}


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFederation]:
    folder = tmp_path_factory.mktemp("faults")
    with LiveFederation(folder, run_slots=2) as made:
        made.app.federation.start(by=ADMIN)
        made.add_sites("North", "South")
        yield made


@pytest.fixture(scope="module")
def ended(federation: LiveFederation) -> dict[str, Run]:
    started = {
        name: federation.app.runs.start("fault_app", ADMIN, name=name, config=ONE_ROUND | config)
        for name, (config, *_) in FAULTS.items()
    }
    return {name: federation.ended(run, 600) for name, run in started.items()}


def card(run: Run) -> str:
    """All that a person reads on it."""
    return "\n".join([run.cause, run.advice, *run.evidence])


def statuses(made: LiveFederation, site: str) -> set[str]:
    """Flower's words on the nodes of a site."""
    return {n.status for n in made.app.superlink.control.nodes() if n.name == site}


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_is_named_with_evidence_and_a_next_step(ended, name):
    _, status, code, words = FAULTS[name]
    run = ended[name]
    assert (run.status, run.cause_code) == (status, code), card(run)
    assert run.cause
    assert run.advice
    assert run.evidence
    assert words in card(run)


def test_a_site_that_is_revoked_while_it_trains_is_named(federation):
    app = federation.app
    run = app.runs.start(
        "fault_app", ADMIN, name="revoked", config=ONE_ROUND | {"client-sleep": 30.0, "faulty": "9"}
    )
    wait_for(lambda: asked(federation, run) == {"North", "South"}, 120)
    app.participants.revoke(federation.participant("South"), ADMIN, "contract ended")
    wait_for(lambda: "unregistered" in statuses(federation, "South"), 5)  # it is refused from now
    wait_for(lambda: any("revoked" in line for line in federation.log("site-south")), 30)
    over = federation.ended(run, 200)
    assert over.cause_code == "node-lost", card(over)
    assert "South" in over.cause
    assert over.advice
    assert over.evidence


def test_a_killed_client_and_a_killed_supernode_are_named(tmp_path):
    with LiveFederation(tmp_path, run_slots=2) as made:
        made.app.federation.start(by=ADMIN)
        made.add_sites("East", "West")
        client = made.app.runs.start(
            "fault_app", ADMIN, config=ONE_ROUND | {"client": "killed", "faulty": "1"}
        )
        wait_for(lambda: asked(made, client) == {"East", "West"}, 120)
        over = made.ended(client, 240)
        assert over.cause_code == "client-killed", card(over)
        assert "West" in card(over)

        node = made.app.runs.start("fault_app", ADMIN, config=ONE_ROUND | {"client-sleep": 30.0})
        wait_for(lambda: asked(made, node) == {"East", "West"}, 120)
        made.kill("East", "flower-supernode")
        over = made.ended(node, 240)
        assert over.cause_code == "node-lost", card(over)
        assert "East" in card(over)
        assert over.evidence
        # It stayed away until the ServerApp, which looks every 3 s, had noticed.
        wait_for(lambda: "East" in made.online(), 60)
        east = next(n for n in made.app.superlink.control.nodes() if n.name == "East")
        assert east.online_since is not None
        assert east.left_at is not None
        assert east.online_since - east.left_at > timedelta(seconds=5)
        starts = [line for line in made.log("site-east") if "Starting the SuperNode" in line]
        assert len(starts) == 2, "Flower refused it once more"


def test_a_bundle_that_is_too_large_is_refused_before_anything_starts(federation):
    folder = federation.app.settings.flower_apps_dir / "large_app"
    shutil.copytree(federation.app.apps.get("fault_app").path, folder)
    project = folder / "pyproject.toml"
    project.write_text(project.read_text().replace("fault-app", "large-app"))
    for number in range(40):  # noise does not become smaller when it is packed
        noise = random.Random(number).randbytes(400_000).hex()
        (folder / "fault_app" / f"data_{number}.py").write_text(f"noise = '{noise}'\n")
    with pytest.raises(InvalidInput, match="10,485,760 bytes"):
        federation.app.runs.start("large_app", ADMIN)


def test_a_lost_log_folder_and_a_locked_database_do_not_end_a_run(federation):
    app = federation.app
    run = app.runs.start(
        "fault_app",
        ADMIN,
        name="rough night",
        config=ONE_ROUND | {"client-sleep": 15.0, "min-nodes": 1},
    )
    wait_for(lambda: asked(federation, run), 120)
    shutil.rmtree(app.settings.data_dir / "logs", ignore_errors=True)  # it is being written to
    other = sqlite3.connect(app.settings.data_dir / "blossomtune.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy, match="locked by another program"):
        app.runs.stop(run.id, ADMIN)
    other.execute("ROLLBACK")
    other.close()
    over = federation.ended(run, 200)
    assert over.status is COMPLETED, card(over)
    assert "has been removed from the disk" in "\n".join(federation.log("blossomtune"))


def test_a_taken_port_is_named_when_the_superlink_starts(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            LiveFederation(tmp_path, superlink_port=port) as made,
            pytest.raises(BlossomError) as told,
        ):
            made.app.federation.start(by=ADMIN)
    assert str(port) in str(told.value)
    assert "port" in str(told.value)
    assert "BLOSSOMTUNE_SUPERLINK_PORT" in str(told.value)


def test_a_broken_certificate_is_named_when_the_superlink_starts(tmp_path):
    with LiveFederation(tmp_path) as made:
        made.app.credentials.cert.write_text("this is not a certificate")
        with pytest.raises(BlossomError) as told:
            made.app.federation.start(by=ADMIN)
    assert "certificate" in str(told.value).lower()


def asked(federation: LiveFederation, run: Run) -> set[str]:
    """The sites that were given work in this run."""
    return {row.name for row in federation.app.history.sites(run.id, ADMIN)}
