"""What must hold although a crash may come between any two steps of a run."""

from dataclasses import replace
from functools import partial

import pytest

from blossomtune_gradio.flower.link.facts import RunFact
from blossomtune_gradio.identity import SYSTEM
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.processes import State, Status
from blossomtune_gradio.services.audit.trail import AuditLog, record
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.notices.webhook_address import AddressGuard
from blossomtune_gradio.services.notices.webhooks import WebhookService
from blossomtune_gradio.services.runs.alerts import AlertService
from blossomtune_gradio.services.runs.book import RunBook
from blossomtune_gradio.services.runs.judging.end import StopWish
from blossomtune_gradio.services.runs.judging.tally import Tally
from blossomtune_gradio.services.runs.judging.verdict import judged
from blossomtune_gradio.services.runtimes.ends import ProgramEnds
from blossomtune_gradio.services.runtimes.runtime import RunProgram
from blossomtune_gradio.store.models import Run, RunEvent, now
from tests.people import ADMIN

NO_HEARTBEAT = "No heartbeat received from the task"
STOPPED = Status(name="", state=State.STOPPED, since=now())
PROGRAMS = (
    RunProgram("superlink", "SuperLink", STOPPED),
    RunProgram("executor", "Executor", STOPPED, hosts_apps=True),
)
COMMAND = "$ flwr run app --format json"
ANSWER = ["{", '  "run-id": "7"', "}"]
SILENT = RunFact(
    run_id=7,
    app_id="",
    app_version="",
    fab_hash="",
    status="finished",
    sub_status="failed",
    details="",
    pending_at=None,
    starting_at=None,
    running_at=None,
    finished_at=None,
    bytes_sent=0,
    bytes_received=0,
    client_seconds=0.0,
)


@pytest.fixture
def logs(tmp_path):
    return LogStore(tmp_path / "logs")


@pytest.fixture
def book(database, logs):
    hooks = WebhookService(database, logs, AddressGuard())
    return RunBook(database, logs, AlertService(database, Outbox(database), hooks))


def said(logs):
    return [line.text for line in logs.since({"run-1": 0}, ["run-1"]).lines]


@pytest.mark.parametrize("kept", range(5))
def test_what_a_crash_left_of_a_batch_of_lines_is_completed_and_not_doubled(book, logs, kept):
    lines = [COMMAND, *ANSWER]
    logs.append("run-1", ["something before", *lines[:kept]])
    book.say(1, *lines)
    assert said(logs) == ["something before", *lines]


def test_the_same_lines_are_said_again_after_something_else(book, logs):
    for lines in ([COMMAND], ["[ROUND 1/5]"], [COMMAND]):
        book.say(1, *lines)
    assert said(logs) == [COMMAND, "[ROUND 1/5]", COMMAND]


def test_work_that_a_site_lost_is_on_the_timeline_of_its_run_and_in_the_log(book, logs):
    with book.database.write() as session:
        for number, name in ((1, "one"), (2, "two")):
            made = Run(id=number, name=name, app="a", config={}, partitions=1, created_by="x")
            made.flower_run_id = str(70 + number)
            session.add(made)
    for flower_id in (72, 73):
        book.lost_work("North lost work on the way.", flower_id)
    with book.database.read() as session:
        told = [(event.run_id, event.kind, event.text) for event in session.query(RunEvent)]
    assert told == [(2, "site", "North lost work on the way.")]
    lines = [line.text for line in logs.since({"blossomtune": 0}, ["blossomtune"]).lines]
    assert lines == [
        "two: North lost work on the way.",
        "Run 73: North lost work on the way.",
    ]


@pytest.fixture
def ended(book, tmp_path):
    return partial(verdict, book, tmp_path)


def verdict(book, folder, *entries, details=NO_HEARTBEAT, in_the_queue=False):
    """How a run ends of which Flower knows only what it says of a killed ServerApp."""
    with book.database.write() as session:
        session.add(Run(id=1, name="one", app="a", config={}, partitions=1, created_by="x"))
    if not in_the_queue:
        assert book.submitted(1)
    with book.database.write() as session:
        for action, by, name in entries:
            target = "process:superlink"
            after = {"reason": "it was killed"}
            record(session, by, action, target, target_name=name, after=after)
    if in_the_queue:
        assert book.submitted(1)
    ends = ProgramEnds(AuditLog(book.database, folder), book.database, folder)
    incidents = ends.since(book.slot_since(book.get(1)), PROGRAMS)
    fact = replace(SILENT, details=details)
    return judged(fact, Tally(), StopWish(), lambda _: None, incidents=incidents)


@pytest.mark.parametrize(
    ("entries", "code", "words"),
    [
        ([], "server-killed", "heartbeat"),
        ([("process.exit", SYSTEM, "executor")], "executor ended", "it was killed"),
        ([("process.exit", SYSTEM, "superlink")], "superlink ended", "it was killed"),
        ([("process.exit", SYSTEM, "site-a")], "server-killed", "heartbeat"),
        ([("superlink.stop", ADMIN, "")], "superlink ended", f"{ADMIN.name} stopped"),
        ([("superlink.pause", SYSTEM, "")], "superlink ended", "BlossomTune was ended"),
    ],
)
def test_a_servers_app_that_fell_silent_is_explained_by_what_ended_beside_it(
    ended, entries, code, words
):
    how = ended(*entries)
    assert how.code == code
    assert words in " ".join(how.evidence)
    assert how.advice


def test_the_executor_is_named_even_if_the_superlink_ended_after_it(ended):
    ends = [("process.exit", SYSTEM, name) for name in ("executor", "superlink")]
    assert ended(*ends).code == "executor ended"


def test_what_ended_while_a_run_was_in_the_queue_is_not_blamed_for_its_end(ended):
    end = ("process.exit", SYSTEM, "superlink")
    assert ended(end, in_the_queue=True).code == "server-killed"


def test_a_servers_app_that_was_told_to_end_with_its_executor_is_explained_too(ended):
    words = "Task failed with unknown error."  # what one that gets SIGTERM tells Flower itself
    end = ("process.exit", SYSTEM, "executor")
    assert ended(end, details=words).code == "executor ended"
