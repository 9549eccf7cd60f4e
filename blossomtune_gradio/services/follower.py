"""Follows one run that Flower has: log, rounds, points, end.

It can be dropped and made anew at any moment: what it has read is kept with the log (`RunLog`), and
a fresh one reads that log again to know the round. Surprise: while the SuperLink is down the run is
not over, so it waits without an end; an admin can stop it.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing

from blossomtune_gradio.errors import FlowerUnreachable
from blossomtune_gradio.flower.control import FlowerControl
from blossomtune_gradio.flower.facts import RunFact
from blossomtune_gradio.flower.round_log import (
    Event,
    Point,
    Replies,
    RoundParser,
    RoundStarted,
    Waiting,
)
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.federation import FederationService
from blossomtune_gradio.services.metrics import FAILURES, REPLIES, MetricService
from blossomtune_gradio.services.run_log import RunLog
from blossomtune_gradio.services.verdict import Tally, judged, unknown_run
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import Run, RunStatus

_PAUSE = 0.5  # seconds between two tries
_QUIET = 2.0  # seconds without a line after which Flower is asked how the run stands
_LAST_WORDS = 5.0  # seconds for the rest of the log of a run that is over


class RunFollower:
    """From *submitted* to the end of one run."""

    def __init__(
        self,
        run: Run,
        database: Database,
        federation: FederationService,
        metrics: MetricService,
        logs: LogStore,
        ending: threading.Event,
    ) -> None:
        self.run_id, self._run = run.id, run
        self._flower_id = int(run.flower_run_id or 0)
        self._database, self._federation = database, federation
        self._metrics, self._ending = metrics, ending
        self.waiting: Waiting | None = None
        self._parser, self._tally = RoundParser(), Tally()
        self._log = RunLog(logs, f"run-{run.id}")
        self._stop_sent = False

    def to_the_end(self) -> tuple[RunStatus | None, str]:
        """Follow until the run has ended: its end and the cause. (None, "") when told to leave."""
        self._hear(self._log.lines_so_far())
        while not self._ending.is_set():
            try:
                fact = self._follow(self._federation.control)
            except FlowerUnreachable:
                fact = None  # stopped or crashed: the supervisor or an admin brings it back
            if fact is not None:
                return judged(fact, self._tally, self._stopper())
            self._ending.wait(_PAUSE)
        return None, ""

    def _follow(self, control: FlowerControl) -> RunFact | None:
        """Read on until the log is quiet for a while; the fact once the run is over."""
        looked = time.monotonic()
        with closing(control.logs(self._flower_id, self._log.read_to, quiet=_QUIET)) as chunks:
            for chunk in chunks:
                self._hear(self._log.add(chunk))
                if time.monotonic() - looked > _QUIET:
                    self._look(control)
                    looked = time.monotonic()
                if self._ending.is_set():
                    return None
        fact = self._look(control)
        if fact is None or not fact.finished:
            return None
        for chunk in control.logs(self._flower_id, self._log.read_to, quiet=_LAST_WORDS):
            self._hear(self._log.add(chunk))
        self._hear(self._log.finish())
        return fact

    def _look(self, control: FlowerControl) -> RunFact:
        """Flower's word on the run; passes a wish to stop on."""
        fact = control.run(self._flower_id) or unknown_run(self._flower_id)
        if self._stopper() and not self._stop_sent and not fact.finished:
            control.stop(self._flower_id)
            self._stop_sent = True
        if fact.status == "running":
            self._note_running()
        return fact

    def _hear(self, lines: list[str]) -> None:
        events: list[Event] = [event for line in lines for event in self._parser.feed(line)]
        points: list[Point] = []
        for event in events:
            self._tally.add(event)
            if isinstance(event, Point):
                points.append(event)
            elif isinstance(event, Replies) and event.phase == "train":
                points.append(Point(event.round, REPLIES, event.results))
                points.append(Point(event.round, FAILURES, event.failures))
            elif isinstance(event, RoundStarted):
                self._note_round(event)
            if isinstance(event, Waiting):
                self.waiting = event
            else:
                self.waiting = None
        if points:
            self._metrics.record(self.run_id, points)

    def _note_running(self) -> None:
        if self._run.status is RunStatus.RUNNING:
            return
        with self._database.write() as session:
            self._run = session.get_one(Run, self.run_id)
            if self._run.status is RunStatus.SUBMITTED:
                self._run.move_to(RunStatus.RUNNING)

    def _note_round(self, event: RoundStarted) -> None:
        with self._database.write() as session:
            row = session.get_one(Run, self.run_id)
            row.round, row.rounds = event.round, event.total or row.rounds

    def _stopper(self) -> str:
        with self._database.read() as session:
            return session.get_one(Run, self.run_id).stop_asked_by
