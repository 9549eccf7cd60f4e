"""What goes on by itself: no fault ends it; each is told, counted, kept with its traceback."""

import logging
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import inf

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from blossomtune_gradio.application import Application
from blossomtune_gradio.background import Loop, LoopCount, Loops
from blossomtune_gradio.errors import NotPossible
from blossomtune_gradio.flower.link.control import FlowerControl
from blossomtune_gradio.identity import SYSTEM
from blossomtune_gradio.logs import FileFollower, LogStore, OperatorLog
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.sites.service import SiteService
from blossomtune_gradio.services.sites.traffic import Traffic
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.models import Run, RunStatus
from blossomtune_gradio.web.routes import bare_api, page_router
from tests.people import ADMIN
from tests.support import free_port, wait_for


@contextmanager
def running(step: Callable[[], float | None], every: float = inf, **more: object) -> Iterator[Loop]:
    loop = Loop("work", step, every, **more)  # type: ignore[arg-type]
    Loops().add(loop)
    loop.open()
    try:
        yield loop
    finally:
        assert loop.close(10)


# -- one loop -------------------------------------------------------------------------------------


def test_a_fault_is_counted_and_the_next_turn_is_good():
    faults = [NotPossible("Not now."), ZeroDivisionError("by zero")]

    def step() -> None:
        if faults:
            raise faults.pop(0)

    with running(step, 0.01, retry=0.01) as loop:
        wait_for(lambda: loop.turns.turns > 4)
        turns = loop.turns
    assert (turns.name, turns.faults, turns.last_fault) == (
        "work",
        2,
        "ZeroDivisionError: by zero.",
    )
    assert turns.last_good_at > turns.last_fault_at
    assert not turns.stumbles


def test_the_pause_doubles_while_every_turn_fails_and_no_wish_cuts_it_short():
    pauses: list[float] = []

    class Noted(threading.Event):
        """Tells what it was waited for, and does not keep a test waiting."""

        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout or 0)
            return super().wait(0.001)

    def step() -> None:
        loop.wake()
        if len(pauses) == 7:
            loop.end()
        raise NotPossible("No.")

    loop = Loop("work", step, retry=1, longest=30)
    loop.ending = Noted()
    loop.open()
    wait_for(lambda: loop.is_over)
    assert pauses[:7] == [1, 2, 4, 8, 16, 30, 30]


def test_a_loop_turns_when_woken_when_its_step_says_and_as_often_as_it_was_made_for():
    pauses: list[float | None] = [inf, 0.01, None]
    with running(lambda: pauses.pop(0) if pauses else inf, 0.01) as loop:
        wait_for(lambda: loop.turns.turns == 1)
        loop.wake()
        wait_for(lambda: loop.turns.turns == 4)


def test_a_wish_that_comes_during_a_turn_is_not_lost():
    entered, go_on = threading.Event(), threading.Event()

    def step() -> None:
        entered.set()
        assert go_on.wait(10)

    with running(step) as loop:
        assert entered.wait(10)
        loop.wake()
        go_on.set()
        wait_for(lambda: loop.turns.turns == 2)


def test_closing_waits_for_the_turn_and_says_when_it_does_not_end():
    entered, go_on, last = threading.Event(), threading.Event(), threading.Event()

    def step() -> None:
        entered.set()
        go_on.wait(10)

    loop = Loop("work", step, on_end=last.set)
    assert not loop.close()  # it was never open
    loop = Loop("work", step, on_end=last.set)
    loop.open()
    assert entered.wait(10)
    assert not loop.close(0.05)
    go_on.set()
    assert loop.close(10)
    assert last.is_set()


def test_loops_of_one_name_are_counted_together_and_not_forgotten_when_they_have_ended():
    loops = Loops()
    for number in range(3):
        loop = Loop("run", lambda: 1 / 0, of=str(number), retry=0.01)
        loops.add(loop)
        loop.open()
        wait_for(lambda loop=loop: loop.turns.faults)
        if number < 2:
            loop.close()
    (turns,) = loops.turns()
    assert turns.name == "run"
    assert turns.faults >= 3
    assert turns.stumbles
    loop.close()
    assert loops.turns() == loops.turns()  # counted once, however often it is asked


def test_of_two_with_one_name_the_newer_fault_and_the_newer_good_turn_are_told():
    now = datetime.now(UTC)
    at = [
        LoopCount("x", 2, 1, "old", now - timedelta(hours=1), now),
        LoopCount("x", 3, 2, "new", now, now - timedelta(hours=1)),
    ]
    assert at[0].and_of(at[1]) == LoopCount("x", 5, 3, "new", now, now)
    assert at[1].and_of(at[0]) == LoopCount("x", 5, 3, "new", now, now)


# -- what the operator reads ----------------------------------------------------------------------


@pytest.fixture
def logs(tmp_path):
    return LogStore(tmp_path / "logs")


@contextmanager
def heard(logs: LogStore, folder, loops: Loops | None = None) -> Iterator[None]:
    handler = OperatorLog(logs, folder, (loops or Loops()).may_be_theirs)
    handler.open()
    try:
        yield
    finally:
        handler.close()


def lines(logs: LogStore) -> list[tuple[str, str]]:
    page = logs.since({"blossomtune": 0}, ["blossomtune"])
    return [(line.level, line.text) for line in page.lines]


OURS = logging.getLogger("blossomtune_gradio.somewhere")


def test_a_sentence_is_one_harmless_line_and_its_traceback_lies_beside_it(logs, tmp_path):
    hostile = "\x1b[31mred\n2026-01-01T00:00:00Z MainThread root: forged\u2028line"
    with heard(logs, tmp_path):
        OURS.info("Hello %s", "Ada\nERROR: forged")
        try:
            raise ValueError(hostile)
        except ValueError:
            OURS.exception("It failed for %s", hostile)
        OURS.debug("nobody needs to know")
    first, second = lines(logs)
    assert first == ("INFO", "Hello Ada ERROR: forged")
    assert second[0] == "ERROR"
    assert second[1].startswith("It failed for red 2026")
    assert second[1].endswith("(traceback in tracebacks.txt)")
    kept = tmp_path / "tracebacks.txt"
    written = kept.read_text()
    assert "in test_a_sentence_is_one_harmless_line" in written
    assert "\x1b" not in written
    heads = [line for line in written.split("\n") if line and not line.startswith("    ")]
    assert len(heads) == 1  # what was raised begins no entry
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_tracebacks_fill_no_disk(logs, tmp_path):
    with heard(logs, tmp_path):
        for _ in range(1000):
            try:
                raise ValueError("x" * 8000)
            except ValueError:
                OURS.exception("It failed.")
    files = list(tmp_path.glob("tracebacks.txt*"))
    assert 1 < len(files) <= 5
    assert sum(file.stat().st_size for file in files) < 6 * 1024 * 1024
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_of_others_errors_are_told_and_never_in_a_flood(logs, tmp_path):
    other = logging.getLogger("somebody.else")
    with heard(logs, tmp_path):
        other.warning("A stranger sent nonsense.")
        for number in range(100):
            other.error("Exception in application %d", number)
    assert lines(logs) == [("ERROR", "Exception in application 0")]


def test_a_disk_without_room_stops_nobody_who_has_something_to_say(logs, tmp_path):
    logs.path("blossomtune").mkdir()
    (tmp_path / "tracebacks.txt").mkdir()
    with heard(logs, tmp_path):
        try:
            raise ValueError
        except ValueError:
            OURS.exception("It failed.")


def test_two_applications_in_one_process_keep_their_sentences_apart(tmp_path):
    stores = [LogStore(tmp_path / name) for name in ("a", "b")]
    of_both = [Loops(), Loops()]

    def step(name: str) -> float:
        OURS.info("This is %s.", name)
        return inf

    with heard(stores[0], tmp_path, of_both[0]), heard(stores[1], tmp_path, of_both[1]):
        for loops, name in zip(of_both, "ab", strict=True):
            loop = Loop("work", lambda name=name: step(name))
            loops.add(loop)
            loop.open()
            wait_for(lambda loop=loop: loop.turns.turns)
            loop.close()
        thread = threading.Thread(target=of_both[0].theirs(lambda: OURS.info("A page of a.")))
        thread.start()
        thread.join()
    assert lines(stores[0]) == [("INFO", "This is a."), ("INFO", "A page of a.")]
    assert lines(stores[1]) == [("INFO", "This is b.")]


# -- the real ones --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def app(tmp_path_factory) -> Iterator[Application]:
    """All of it, but no SuperLink; a mail server that is not there."""
    made = Application(
        Settings(
            data_dir=tmp_path_factory.mktemp("data") / "data",
            port=0,
            fleet_port=0,
            smtp_url=f"smtp://127.0.0.1:{free_port()}",
            mail_from="fl@example.org",
        )
    )
    made.open()
    yield made
    made.close()


@contextmanager
def without(app: Application, table: str) -> Iterator[None]:
    """A fault that comes with every turn that needs this table."""
    with app.database.write() as session:
        session.execute(text(f"ALTER TABLE {table} RENAME TO {table}_away"))
    try:
        yield
    finally:
        with app.database.write() as session:
            session.execute(text(f"ALTER TABLE {table}_away RENAME TO {table}"))


def turns_of(app: Application, name: str) -> LoopCount:
    return next(turns for turns in app.loops.turns() if turns.name == name)


def health(app: Application, name: str) -> dict:
    api = bare_api()
    api.include_router(page_router(app))
    with TestClient(api) as client:
        return client.get("/healthz").json()["loops"][name]


def stumbles_and_goes_on(app: Application, name: str, break_it, mend, wake=lambda: None) -> None:
    """It is told with its traceback and counted in /healthz, and good turns follow."""
    before = turns_of(app, name)
    break_it()
    try:
        wake()
        wait_for(lambda: turns_of(app, name).faults > before.faults)
        fault = turns_of(app, name)
        assert health(app, name)["faults"] > before.faults
        told = [line for _, line in lines(app.logs) if line.startswith(name)]
        assert any("a fault of ours" in line for line in told)
        kept = (app.settings.data_dir / "logs" / "tracebacks.txt").read_text()
        assert f"{fault.last_fault[:40]}" in kept
        assert "in _turn" in kept  # the loop's own frame: how it came to be called
    finally:
        mend()
    wake()
    wait_for(lambda: not turns_of(app, name).stumbles, 20)


def in_tables(app: Application, name: str, table: str, wake) -> None:
    absence = without(app, table)
    stumbles_and_goes_on(
        app, name, absence.__enter__, lambda: absence.__exit__(None, None, None), wake
    )


def test_a_fault_in_the_sealing_of_the_trail(app):
    in_tables(app, "audit", "audit_entries", app.audit.loop.wake)


def test_a_fault_in_the_queue(app):
    in_tables(app, "runner", "runs", lambda: None)


def test_a_fault_in_the_sending_of_mails(app):
    in_tables(app, "mails", "mails", app.mailer.wake)


def test_a_fault_in_the_watch_over_sites(app, database):
    answers = []

    def control() -> FlowerControl:
        if not answers:
            raise KeyError("asking is a fault of ours")
        return app.superlink.control

    made = SiteService(
        database,
        control,
        app.logs,
        Outbox(database),
        Traffic(),
        timedelta(minutes=1),
        lambda *_: None,
    )
    app.loops.add(made.loop)
    stumbles_and_goes_on(app, "sites", made.open, lambda: answers.append(1), made.wake)
    made.close()


def test_a_fault_in_what_is_written_later(app):
    fail = [True]

    def each_round() -> None:
        if fail[0]:
            raise LookupError("a note that cannot be made")

    def begin() -> None:
        app.later.each_round(each_round)

    stumbles_and_goes_on(
        app, "later", begin, lambda: fail.__setitem__(0, False), app.later.loop.wake
    )


def test_a_fault_in_the_copying_of_a_log(app, tmp_path):
    raw = tmp_path / "raw.out"
    fail = [True]

    def is_noise(line: str) -> bool:
        if fail[0]:
            raise LookupError("a line nobody foresaw")
        return not line

    follower = FileFollower(app.logs, "child", raw, every=0.05, is_noise=is_noise)
    app.loops.add(follower.loop)
    raw.write_text("one\n")
    stumbles_and_goes_on(
        app, "logs", follower.start, lambda: fail.__setitem__(0, False), follower.loop.wake
    )
    follower.stop()
    assert next(iter(app.logs.all_lines("child"))).endswith("one\n")  # nothing is lost


def test_a_fault_in_the_carrying_of_a_run_ends_it_after_three_and_the_slot_is_free(app):
    folder = app.settings.data_dir / "runs"
    folder.write_text("this is no folder")
    with app.database.write() as session:
        run = Run(name="broken", app="quickstart_huggingface", config={}, partitions=1)
        run.created_by, run.status_word = SYSTEM.id, RunStatus.SUBMITTED.value
        session.add(run)
    app.runs.get(run.id, ADMIN)
    wait_for(lambda: app.runs.get(run.id, ADMIN).status.is_end, 30)
    assert health(app, "run")["faults"] == 3
    kept = (app.settings.data_dir / "logs" / "tracebacks.txt").read_text()
    assert "in _call_flwr" in kept
    wait_for(lambda: turns_of(app, "runner").last_good_at)
    folder.unlink()
