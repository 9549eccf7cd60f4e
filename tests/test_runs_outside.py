"""Runs of a plain `flwr run`: seen, followed, counted and stopped like ours, and never twice."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from blossomtune_gradio.errors import NotAllowed
from blossomtune_gradio.flower.link import commands
from blossomtune_gradio.flower.link.facts import RunFact
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.runs.alerts import AlertService
from blossomtune_gradio.services.runs.book import RunBook
from blossomtune_gradio.services.runs.queue.outside import told
from blossomtune_gradio.services.runtimes.superlink import CONNECTION
from blossomtune_gradio.store.models import AuditEntry, Run, RunStatus
from tests.live import PATH, LiveFederation
from tests.people import ADMIN
from tests.support import wait_for

pytest_plugins = ["tests.live_fixtures"]
BOB = User(provider="local", sub="bob", name="bob", role=Role.RESEARCHER)


def fact(number: int, **more: object) -> RunFact:
    """A run that Flower has."""
    moment = datetime.now(UTC) - timedelta(seconds=3)
    values: dict[str, object] = {
        "run_id": number,
        "app_id": "somebody/app",
        "app_version": "1.0.0",
        "fab_hash": "f" * 64,
        "status": "running",
        "sub_status": "",
        "details": "",
        "pending_at": moment,
        "starting_at": moment,
        "running_at": moment,
        "finished_at": None,
        "bytes_sent": 0,
        "bytes_received": 0,
        "client_seconds": 0.0,
    }
    return RunFact(**(values | more))  # type: ignore[arg-type]


@pytest.fixture
def book(database, settings):
    alerts = AlertService(database, Outbox(database), NoWebhooks())  # type: ignore[arg-type]
    return RunBook(database, LogStore(settings.data_dir / "logs"), alerts)


class NoWebhooks:
    def queue(self, *_: object) -> None:
        """Nobody listens."""


def ours(book: RunBook, name: str, **values: object) -> Run:
    with book.database.write() as session:
        run = Run(name=name, app="app", config={}, partitions=1, created_by="local:ada", **values)
        session.add(run)
        session.flush()
        return run


def test_a_run_is_taken_in_once(book):
    number = book.take_in(fact(2**64 - 1), "app", {"rounds": 2})
    assert number
    assert book.take_in(fact(2**64 - 1), "app", {}) == 0
    run = book.get(number)
    assert (run.source, run.started_by, run.status) == ("outside", "flwr", RunStatus.SUBMITTED)
    assert (run.flower_run_id, run.config, run.name) == (str(2**64 - 1), {"rounds": 2}, "app 1")
    assert book.flower_ids() == {2**64 - 1}
    with book.database.read() as session:
        entry = session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.target_name) == ("run.outside", "app 1")


@pytest.mark.parametrize("status", [RunStatus.SUBMITTED, RunStatus.RUNNING])
def test_while_one_of_ours_is_on_its_way_to_flower_nobody_is_taken_in(book, status):
    """Its `flwr run` may have lost its answer, and the run that Flower has may be it."""
    mine = ours(book, "mine", status_word=status.value)
    assert book.take_in(fact(7), "app", {}) is None
    assert book.claim(mine.id, 7)
    assert book.take_in(fact(7), "app", {}) == 0
    assert book.take_in(fact(8), "app", {})
    assert not book.claim(mine.id, 8)


def test_a_name_that_is_taken_gets_flowers_number(book):
    ours(book, "app 2", status_word=RunStatus.COMPLETED.value, flower_run_id="5")
    assert book.get(book.take_in(fact(9), "app", {})).name == "app 2 (9)"


def test_what_it_was_given_is_kept_as_plain_values():
    given = {"a": 1, "b": True, "c": 0.5, "d": float("nan"), "e\x1b[31m": "x\x00y", "f": 2**63}
    kept = told(given)
    assert kept == {"a": 1, "b": True, "c": 0.5, "d": "nan", "e": "x y", "f": 2**63}


# -- the real thing ------------------------------------------------------------------------------


def typed(federation: LiveFederation, **config: object) -> int:
    """What somebody in a terminal of the server does; Flower's number."""
    home, settings = federation.app.settings.data_dir / "flower", federation.app.settings
    argv = commands.run_argv(settings.flower_apps_dir / "message_app", CONNECTION)
    words = " ".join(f"{name.replace('_', '-')}={value}" for name, value in config.items())
    argv += ["--run-config", words]
    env = commands.child_environment(home, path=PATH)
    done = subprocess.run(argv, env=env, capture_output=True, timeout=60)
    return commands.parse_run_output(done.stdout.decode())


def seen(federation: LiveFederation, number: int) -> Run:
    """The row of the run with that number of Flower's."""

    def row() -> Run | None:
        runs = federation.app.runs.list(ADMIN)
        return next((run for run in runs if run.flower_run_id == str(number)), None)

    wait_for(row, 30)
    found = row()
    assert found is not None
    return found


@pytest.mark.slow
def test_a_run_from_outside_is_followed_to_its_end_and_the_queue_waits_for_it(federation):
    app = federation.app
    number = typed(federation, num_server_rounds=2, client_sleep=1.5, evaluate="false")
    run = seen(federation, number)
    mine = federation.start("message_app", num_server_rounds=1, evaluate=False)
    assert run.name in federation.why(mine)
    assert (run.source, run.started_by, run.app) == ("outside", "flwr", "message_app")
    assert run.config == {"num-server-rounds": 2, "client-sleep": 1.5, "evaluate": False}
    ended = federation.ended(run)
    assert (ended.status, ended.round, ended.rounds) == (RunStatus.COMPLETED, 2, 2)
    points = {(p.name, p.round): p.value for p in app.metrics.values(run.id, ADMIN)}
    assert points["server/accuracy", 2] == 0.75
    assert {site.name: site.answered for site in app.history.sites(run.id, ADMIN)} == {
        "North": 2,
        "South": 2,
    }
    assert any(
        "Starting message" in line or "ROUND" in line for line in federation.log(f"run-{run.id}")
    )
    assert app.history.events(run.id, ADMIN)[0].kind == "outside"
    assert federation.ended(mine).status is RunStatus.COMPLETED
    assert len(app.runs.list(ADMIN)) == 2
    with pytest.raises(NotAllowed):
        app.history.delete(run.id, BOB)
    app.history.delete(run.id, ADMIN)
    assert app.runs.list(ADMIN)[0].id == mine.id


@pytest.mark.slow
def test_a_run_from_outside_is_stopped_like_ours(federation):
    run = seen(federation, typed(federation, num_server_rounds=50, client_sleep=1))
    federation.app.runs.stop(run.id, ADMIN)
    ended = federation.ended(run)
    assert ended.status is RunStatus.STOPPED
    assert ended.stop_asked_by == ADMIN.name
    fact = federation.app.superlink.control.run(int(run.flower_run_id))
    assert fact.sub_status == "stopped"
