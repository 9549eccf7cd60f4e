"""Follows one run that Flower has: log, rounds, points, sites, deadlines, end.

It can be dropped and made anew at any moment: what it has read is kept with the log (`RunLog`), and
a fresh one reads that log again to know the round. Surprise: while the runtime cannot be asked the
run is not over, so it waits without an end; an admin can stop it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing

from blossomtune_gradio.errors import FlowerUnreachable
from blossomtune_gradio.flower.apps.reads import AppReads
from blossomtune_gradio.flower.lines.diagnosis import SERVER_KILLED
from blossomtune_gradio.flower.lines.round_log import (
    Event,
    NotUnderstood,
    Point,
    Replies,
    RoundParser,
    RoundStarted,
)
from blossomtune_gradio.flower.link.facts import RunFact
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.runs import timeline
from blossomtune_gradio.services.runs.book import RunBook, wish_of
from blossomtune_gradio.services.runs.carrying.log import RunLog
from blossomtune_gradio.services.runs.judging.end import Verdict
from blossomtune_gradio.services.runs.judging.tally import Tally
from blossomtune_gradio.services.runs.judging.verdict import judged, unknown_run, with_silence
from blossomtune_gradio.services.runs.metrics import FAILURES, REPLIES, MetricService
from blossomtune_gradio.services.runs.rows import source_of
from blossomtune_gradio.services.runs.watching.watch import RunWatcher
from blossomtune_gradio.services.runtimes.runtime import RunControl, Runtime
from blossomtune_gradio.store.models import Run, Wish, now

_PAUSE = 0.5  # seconds between two tries
_QUIET = 2.0  # seconds after which Flower is asked how the run stands
_LAST_WORDS = 5.0  # seconds for the rest of the log of a run that is over
_TOLD_WITHIN = 3.0  # seconds in which the end of a program is in the audit trail
_NOTED_EVERY = 10.0  # seconds between two notes of bytes and seconds


class RunFollower:
    """From *submitted* to the end of one run."""

    def __init__(
        self,
        run: Run,
        book: RunBook,
        runtime: Runtime,
        metrics: MetricService,
        logs: LogStore,
        watcher: RunWatcher,
        ending: threading.Event,
        reads: Callable[[], AppReads],
    ) -> None:
        self._reads = reads
        self.run_id, self._flower_id = run.id, int(run.flower_run_id or 0)
        self._book, self._runtime, self._metrics = book, runtime, metrics
        self._watcher, self._ending = watcher, ending
        watcher.begin()
        self._parser, self._tally = RoundParser(), Tally()
        self._log = RunLog(logs, source_of(run.id))
        self._stop_sent, self._noted_at = False, 0.0

    def to_the_end(self) -> Verdict | None:
        """Follow until the run has ended: how. None when told to leave, or to submit it again."""
        self._hear(self._log.lines_so_far(), again=True)
        if self._parser.round:  # a crash may have come between a line and what it says
            self._note_round(self._parser.round, None)
        while not self._ending.is_set():
            try:
                fact = self._follow(self._runtime.control)
            except FlowerUnreachable:
                fact = None  # stopped or crashed: the supervisor or an admin brings it back
            if fact is not None:
                run = self._book.get(self.run_id)
                if run.wish is Wish.AGAIN:
                    return None
                verdict = self._judge(run, fact)
                return with_silence(verdict) if verdict and not self._tally.told else verdict
            self._ending.wait(_PAUSE)
        return None

    def _judge(self, run: Run, fact: RunFact) -> Verdict | None:
        """Flower may tell of a ServerApp's death before the supervisor tells of its executor's."""
        deadline = time.monotonic() + _TOLD_WITHIN
        self._tally.errors, self._tally.sites = self._watcher.errors(), self._watcher.rows()
        reads, who = self._reads(), self._watcher.who
        if (lines := self._tally.not_understood) > 1:
            self._book.event(self.run_id, "metrics", f"{lines} metric lines were not understood.")
        while True:
            incidents = self._runtime.incidents(self._book.slot_since(run))
            verdict = judged(fact, self._tally, wish_of(run), who, run.min_sites, incidents, reads)
            if verdict.code != SERVER_KILLED or time.monotonic() > deadline:
                return verdict
            if self._ending.wait(_PAUSE):
                return None  # the next follower judges

    def _follow(self, control: RunControl) -> RunFact | None:
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
        if not fact.finished:
            return None
        for chunk in control.logs(self._flower_id, self._log.read_to, quiet=_LAST_WORDS):
            self._hear(self._log.add(chunk))
        self._hear(self._log.finish())
        self._watcher.look(self._book.get(self.run_id), self._flower_id, over=True)
        return fact

    def _look(self, control: RunControl) -> RunFact:
        """Flower's word on the run; passes a wish to stop on."""
        fact = control.run(self._flower_id) or unknown_run(self._flower_id)
        if fact.status == "running":
            self._book.running(self.run_id)
        self._note(fact)
        if not fact.finished:
            run = self._watcher.look(self._book.get(self.run_id), self._flower_id)
            if run.wish is not Wish.NONE and not self._stop_sent:
                control.stop(self._flower_id)
                self._stop_sent = True
        return fact

    def _note(self, fact: RunFact) -> None:
        """What the run has cost so far, now and then and at the end."""
        fresh = time.monotonic() - self._noted_at < _NOTED_EVERY
        if fact.sub_status == "unknown" or (fresh and not fact.finished):
            return
        self._noted_at = time.monotonic()
        with self._book.change(self.run_id) as (_, run):
            run.bytes_sent, run.bytes_received = fact.bytes_sent, fact.bytes_received
            run.client_seconds, run.server_seconds = fact.client_seconds, fact.server_seconds
            run.app_hash = fact.fab_hash or run.app_hash
            run.app_version = fact.app_version or run.app_version

    def _hear(self, lines: list[str], again: bool = False) -> None:
        """Take in lines of the log; `again` when they were heard before a crash."""
        points: list[Point] = []
        for line in lines:
            self._tally.hear(line)
            for event in self._parser.feed(line):
                self._tally.add(event)
                points += _points(event)
                if not again:
                    self._watcher.hear(event)
                    self._act(event)
        if points:
            self._metrics.record(self.run_id, points)

    def _act(self, event: Event) -> None:
        if isinstance(event, RoundStarted):
            self._book.running(self.run_id)  # Flower is only asked now and then; the log knows
            self._note_round(event.round, event.total)
        elif isinstance(event, NotUnderstood) and self._tally.not_understood == 1:
            self._book.event(self.run_id, "metrics", f"A metric line was left out: {event.why}.")
        elif isinstance(event, Point) and not self._parser.round and not event.site:
            self._note_round(event.round, None)  # an app that prints points but no rounds

    def _note_round(self, number: int, total: int | None) -> None:
        with self._book.change(self.run_id) as (session, run):
            if run.round < number:
                run.round, run.round_began_at = number, now()
                timeline.note(session, self.run_id, "round", f"Round {number} begins.")
            run.rounds = total or run.rounds


def _points(event: Event) -> list[Point]:
    if isinstance(event, Point):
        return [event]
    if isinstance(event, Replies) and event.phase == "train":
        return [
            Point(event.round, REPLIES, event.results),
            Point(event.round, FAILURES, event.failures),
        ]
    return []
