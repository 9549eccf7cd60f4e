"""A place where runs run that is only this test's own: what a new runtime needs, and no more."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import InvalidFields
from blossomtune_gradio.flower.link.facts import LogChunk, RunFact
from blossomtune_gradio.flower.link.given import Given
from blossomtune_gradio.flower.link.messages import SiteMessage
from blossomtune_gradio.processes import State, Status
from blossomtune_gradio.services.runs.watching import waiting
from blossomtune_gradio.services.runtimes.known import Runtimes
from blossomtune_gradio.services.runtimes.runtime import (
    FlwrConnection,
    Incident,
    Lack,
    RunProgram,
    Runtime,
)
from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.services.sites.service import Site
from blossomtune_gradio.store.models import Run, RunStatus, now
from blossomtune_gradio.views.federation import SnapshotView
from blossomtune_gradio.web.server import WebServer
from tests.browser import watched_page
from tests.live import PATH, live_settings
from tests.people import ADMIN
from tests.support import wait_for

FLOWERS_NUMBER = 7
ANSWER = '{"success": true, "run-id": "7"}'
LOG = """\
INFO :      [ROUND 1/2]
INFO :      aggregate_fit: received 1 results and 0 failures
@@BLOSSOM {"round": 1, "loss": 0.5}
INFO :      [ROUND 2/2]
INFO :      aggregate_fit: received 1 results and 0 failures
@@BLOSSOM {"round": 2, "loss": 0.25}
"""
DESK = Site(
    participant_id=0,
    name="Desk",
    partition_id=0,
    node_id="5",
    presence=Presence.ONLINE,
    last_seen=None,
)


class Toy:
    """Runs everything at once in its head, at one site. Nothing of a SuperLink."""

    name, slots = "toy", 1

    def __init__(self, home: Path) -> None:
        self.connection = FlwrConnection("toy", home, {"PATH": PATH})
        self.control = self.messages = self
        self.missing: Lack | None = None
        self.ended: list[Incident] = []
        self.how, self.details = "completed", ""
        self.over = threading.Event()
        self.stopped = False

    def lack(self) -> Lack | None:
        return self.missing

    def programs(self) -> list[RunProgram]:
        status = Status(name="toy-engine", state=State.RUNNING, since=now())
        return [RunProgram("toy-engine", "Engine", status, hosts_apps=True)]

    def incidents(self, since: datetime) -> list[Incident]:
        assert since.tzinfo is UTC
        return self.ended

    def sites(self) -> list[Site]:
        return [DESK]

    def submission(self, app: Path, config: Path) -> list[str]:
        assert (app / "pyproject.toml").exists()
        assert config.suffix == ".toml"
        return [sys.executable, "-c", f"print({ANSWER!r})"]

    def work_folder(self, flower_run_id: str) -> Path | None:
        return None

    # -- what it tells of runs ---------------------------------------------------------------

    def runs(self, limit: int = 20) -> list[RunFact]:
        return []

    def run(self, run_id: int) -> RunFact | None:
        done = self.over.is_set() or self.stopped
        moment, word = datetime.now(UTC), "stopped" if self.stopped else self.how
        return RunFact(
            run_id=run_id,
            app_id="test/message_app",
            app_version="1.0.0",
            fab_hash="",
            status="finished" if done else "running",
            sub_status=word if done else "",
            details=self.details,
            pending_at=moment,
            starting_at=moment,
            running_at=moment,
            finished_at=moment if done else None,
            bytes_sent=10,
            bytes_received=20,
            client_seconds=1.0,
        )

    def logs(
        self, run_id: int, after: float = 0.0, *, quiet: float | None = None
    ) -> Generator[LogChunk, None, None]:
        assert run_id == FLOWERS_NUMBER
        if after < 1:
            yield LogChunk(LOG, 1.0)
        self.over.wait(0.1 if quiet else None)

    def stop(self, run_id: int) -> bool:
        assert run_id == FLOWERS_NUMBER
        self.stopped = True
        return True

    def of_run(self, run_id: int) -> list[SiteMessage]:
        assert run_id == FLOWERS_NUMBER
        return [
            SiteMessage(
                message_id="m",
                node_id=5,
                kind="train",
                asked_at=now(),
                fetched=True,
                answered=self.over.is_set(),
                error=None,
            )
        ]

    def given_to(self, run_id: int, after: int = 0) -> Given | None:
        return Given(after)


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path / "toy")


@pytest.fixture
def app(tmp_path: Path, toy: Toy) -> Iterator[Application]:
    runtime: Runtime = toy
    made = Application(live_settings(tmp_path), PATH, more_runtimes=[runtime])
    made.open()
    yield made
    made.close()


def started(app: Application, name: str = "in the head") -> Run:
    few = {"min-nodes": 1}
    return app.runs.start("message_app", ADMIN, name=name, config=few, runtime="toy")


def ended(app: Application, run: Run) -> Run:
    wait_for(lambda: app.runs.get(run.id, ADMIN).status.is_end, 30)
    return app.runs.get(run.id, ADMIN)


def test_a_run_goes_from_the_queue_to_its_page(app, toy, browser):
    first, second = started(app), started(app, "the next one")
    wait_for(lambda: app.history.sites(first.id, ADMIN), 30)
    run = app.runs.get(first.id, ADMIN)
    assert (run.status, run.round, run.rounds) == (RunStatus.RUNNING, 2, 2)
    assert "in the head" in app.runs.why(second, ADMIN), "one slot, so it waits"
    wait = app.runs.wait(run, ADMIN)
    assert wait.code == waiting.ANSWERS
    assert [site.name for site in wait.sites] == ["Desk"]
    lamp = SnapshotView.of(app.overview.snapshot(ADMIN)).lamps[-1]
    assert (lamp.name, lamp.state, lamp.tone) == ("Engine", "running", "good")
    toy.over.set()
    run = ended(app, first)
    assert (run.status, run.cause, run.runtime) == (RunStatus.COMPLETED, "", "toy")
    assert (run.flower_run_id, run.bytes_sent) == (str(FLOWERS_NUMBER), 10)
    [site] = app.history.sites(first.id, ADMIN)
    assert (site.name, site.asked, site.answered) == ("Desk", 1, 1)
    assert app.metrics.count(first.id) == 6
    # One number is no run's twice: the second submission gets the same answer and is refused.
    assert "Another run" in ended(app, second).cause
    with WebServer(app) as server, watched_page(browser, server.url) as page:
        page.goto(f"{server.url}/runs?run={first.id}")
        page.locator("#run-state").get_by_text("completed").wait_for()
        page.locator("#run-sites").get_by_text("Desk").wait_for()
        page.locator("#run-events").get_by_text("Round 2 begins.").wait_for()


def test_it_waits_for_what_the_runtime_lacks_and_is_stopped_there(app, toy):
    toy.missing = Lack("engine", "the engine", "Wind it up.")
    run = started(app)
    assert app.runs.why(run, ADMIN) == "Waits for the engine. Wind it up."
    assert app.runs.wait(run, ADMIN).code == "engine"
    toy.missing = None
    wait_for(lambda: app.runs.get(run.id, ADMIN).status is RunStatus.RUNNING, 30)
    app.runs.stop(run.id, ADMIN)
    run = ended(app, run)
    assert (run.status, run.cause) == (RunStatus.STOPPED, f"Stopped by {ADMIN.name}.")
    assert toy.stopped


def test_a_death_is_explained_by_the_end_of_its_program(app, toy):
    toy.how, toy.details = "failed", "No heartbeat received from the task"
    toy.ended = [Incident("toy-engine", "12:00:00 UTC: it ran dry", hosts_apps=True)]
    toy.over.set()
    run = ended(app, started(app))
    assert (run.status, run.cause_code) == (RunStatus.FAILED, "toy-engine ended")
    assert run.evidence == ["12:00:00 UTC: it ran dry"]


def test_a_runtime_that_is_not_there_is_told_and_takes_nothing(app):
    with pytest.raises(InvalidFields, match="no runtime 'moon'; there is: deployed, toy"):
        app.runs.start("message_app", ADMIN, runtime="moon")


def test_a_run_whose_runtime_is_gone_waits_with_a_sentence(app):
    run = started(app)
    with app.database.write() as session:
        session.get_one(Run, run.id).runtime = "gone"
    why = app.runs.why(replaced(run), ADMIN)
    assert why == "Waits for the runtime gone. Set it up again, or stop the run."


def replaced(run: Run) -> Run:
    run.runtime = "gone"
    return run


def test_two_runtimes_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match="one name"):
        Runtimes(Toy(tmp_path), Toy(tmp_path))  # type: ignore[arg-type]
