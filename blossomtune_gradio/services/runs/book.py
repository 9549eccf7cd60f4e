"""The one writer of what happens to a run: its row, timeline, audit and alerts in one transaction.

Runner, worker and follower all write through it, so nothing of a change can be missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blossomtune_gradio.flower.link.facts import RunFact
from blossomtune_gradio.identity import SYSTEM
from blossomtune_gradio.logs import LogStore, read_level
from blossomtune_gradio.plain_text import plain
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.services.runs import timeline
from blossomtune_gradio.services.runs.alerts import AlertService
from blossomtune_gradio.services.runs.judging.end import StopWish, Verdict
from blossomtune_gradio.services.runs.rows import add_row, called, source_of
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import (
    DEPLOYED,
    OUTSIDE,
    Run,
    RunEvent,
    RunStatus,
    now,
)

ACTIVE = (RunStatus.SUBMITTED.value, RunStatus.RUNNING.value)


class RunBook:
    """Reads and changes the rows of runs."""

    def __init__(self, database: Database, logs: LogStore, alerts: AlertService) -> None:
        self.database, self._logs, self._alerts = database, logs, alerts

    def get(self, run_id: int) -> Run:
        """The row as it is now."""
        with self.database.read() as session:
            return session.get_one(Run, run_id)

    def queued(self) -> list[Run]:
        """Who waits, first comes first."""
        return self._in(RunStatus.QUEUED.value)

    def active(self) -> list[Run]:
        """Runs that Flower has, or is being given."""
        return self._in(*ACTIVE)

    def slot_since(self, run: Run) -> datetime:
        """When the run got its slot, the last time."""
        got = select(func.max(RunEvent.at)).where(
            RunEvent.run_id == run.id, RunEvent.kind == "submitted"
        )
        with self.database.read() as session:
            return session.scalar(got) or run.created_at

    @contextmanager
    def change(self, run_id: int) -> Iterator[tuple[Session, Run]]:
        """A write transaction with the row in it."""
        with self.database.write() as session:
            yield session, session.get_one(Run, run_id)

    def submitted(self, run_id: int) -> bool:
        """Give a queued run its slot. False when somebody was quicker and took it away."""
        with self.change(run_id) as (session, run):
            if run.status is not RunStatus.QUEUED or run.stop_asked_by:
                return False
            run.move_to(RunStatus.SUBMITTED)
            run.waiting_since = None
            timeline.note(session, run_id, "submitted", "Got a slot and goes to Flower.")
        self.tell(f"{run.name} is submitted")
        return True

    def running(self, run_id: int) -> None:
        """Flower has started the ServerApp."""
        with self.change(run_id) as (session, run):
            if run.status is not RunStatus.SUBMITTED:
                return
            run.move_to(RunStatus.RUNNING)
            timeline.note(session, run_id, "running", "The ServerApp runs.")

    def end(self, run_id: int, verdict: Verdict) -> None:
        """Write the end down. A run that has ended already keeps its end."""
        with self.change(run_id) as (session, run):
            if run.status.is_end:
                return
            run.move_to(
                verdict.status, verdict.cause, verdict.code, verdict.evidence, verdict.advice
            )
            said = f" {verdict.cause}" if verdict.cause else ""
            timeline.note(session, run_id, "end", f"{verdict.status.capitalize()}.{said}")
            record(
                session,
                SYSTEM,
                "run.end",
                f"run:{run_id}",
                target_name=run.name,
                after={"status": verdict.status.value, "cause": verdict.cause},
            )
            self._alerts.run_ended(session, run)
        self.tell(f"{run.name} is {verdict.status}{': ' + verdict.cause if verdict.cause else ''}")

    def event(self, run_id: int, kind: str, sentence: str) -> None:
        """An entry on the timeline, of something that changes nothing else."""
        with self.database.write() as session:
            timeline.note(session, run_id, kind, sentence)

    def waits(self, run_id: int, sentence: str) -> None:
        """The run has begun to wait for sites."""
        with self.change(run_id) as (session, run):
            if run.waiting_since is None and not run.status.is_end:
                run.waiting_since = now()
                timeline.note(session, run_id, "waiting", sentence)

    def still_waits(self, run_id: int, sentence: str) -> None:
        """It has been waiting for a while: who wants to know is told."""
        with self.change(run_id) as (session, run):
            self._alerts.run_waits(session, run, sentence)

    def has_enough(self, run_id: int) -> None:
        """The run does not wait for sites any more."""
        with self.change(run_id) as (session, run):
            if run.waiting_since is not None:
                waited = int((now() - run.waiting_since).total_seconds())
                run.waiting_since = None
                timeline.note(session, run_id, "enough", f"Enough sites after {waited} s.")

    def ask_stop(self, run_id: int, wish: StopWish) -> None:
        """Let a run end for a reason of ours; the follower passes it on to Flower."""
        with self.change(run_id) as (session, run):
            if run.stop_asked_by or run.status.is_end:
                return
            run.ask_stop(wish.by, wish.code, wish.sentence)
            timeline.note(session, run_id, "stop", wish.sentence, code=wish.code)

    def tell(self, sentence: str) -> None:
        """A line for everybody who watches."""
        self._logs.append("blossomtune", [sentence])

    def lost_work(self, sentence: str, flower_id: int, runtime: str = DEPLOYED) -> None:
        """What became of work of the run that Flower knows by this number."""
        with self.database.write() as session:
            run = session.scalar(select(Run).where(*called(runtime, flower_id)))
            if run is not None:
                timeline.note(session, run.id, "site", sentence)
        self.tell(f"WARNING: {run.name if run else f'Run {flower_id}'}: {sentence}")

    def say(self, run_id: int, *lines: str) -> None:
        """Lines of ours in the log of the run; what a crash left at its end is not said again."""
        source = source_of(run_id)
        newest = self._logs.since({}, [source], tail=len(lines)).lines
        end = [line.text for line in newest]
        wanted = [read_level(plain(line))[1] for line in lines]
        there = next(n for n in range(len(end), -1, -1) if end[len(end) - n :] == wanted[:n])
        self._logs.append(source, lines[there:])

    def claim(self, run_id: int, flower_id: int) -> bool:
        """Note Flower's number of a run. False when another row has it already."""
        with self.change(run_id) as (session, run):
            owner = session.scalar(select(Run.id).where(*called(run.runtime, flower_id)))
            if owner is None:
                run.flower_run_id = str(flower_id)
            return owner in (None, run_id)

    def flower_ids(self, runtime: str = DEPLOYED) -> set[int]:
        """Flower's numbers of all runs of a runtime that have a row."""
        query = select(Run.flower_run_id).where(
            Run.runtime == runtime, Run.flower_run_id.is_not(None)
        )
        with self.database.read() as session:
            return {int(number) for number in session.scalars(query) if number}

    def take_in(
        self, fact: RunFact, app: str, config: dict[str, Any], runtime: str = DEPLOYED
    ) -> int | None:
        """A row for a run that Flower has and we did not start; its number.

        0 where it has one meanwhile; None while it may be one of ours that is on its way.
        """
        number = str(fact.run_id)
        on_its_way = select(Run.id).where(
            Run.runtime == runtime, Run.status_word.in_(ACTIVE), Run.flower_run_id.is_(None)
        )
        with self.database.write() as session:
            if session.scalar(select(Run.id).where(*called(runtime, fact.run_id))) is not None:
                return 0
            if session.scalar(on_its_way.limit(1)) is not None:
                return None
            run = Run(
                app=app,
                app_hash=fact.fab_hash,
                app_version=fact.app_version,
                config=config,
                partitions=0,
                created_by=OUTSIDE,
                started_by=OUTSIDE,
                runtime=runtime,
                flower_run_id=number,
                status_word=RunStatus.SUBMITTED.value,
            )
            if fact.pending_at is not None:
                run.created_at = fact.pending_at
            add_row(session, run)
            text = "Somebody started it outside of BlossomTune, by flwr run."
            timeline.note(session, run.id, "outside", text)
            after = {"app": app, "config": config, "flower_run_id": number}
            target = f"run:{run.id}"
            record(session, SYSTEM, "run.outside", target, target_name=run.name, after=after)
        self.tell(f"{run.name} was started outside, by flwr run: it is followed like ours")
        return run.id

    def _in(self, *states: str) -> list[Run]:
        query = select(Run).where(Run.status_word.in_(states)).order_by(Run.position, Run.id)
        with self.database.read() as session:
            return list(session.scalars(query))


def wish_of(run: Run) -> StopWish:
    """Who asked for the end of a run, and why."""
    return StopWish(run.stop_asked_by, run.stop_code, run.stop_sentence)
