"""The queue: which run gets a slot, and when. Each run in a slot has a worker of its own.

Runs are admitted by their position. One that needs more sites than are online is held back with a
card that names the missing ones, and those behind it may overtake, so a run that waits never wedges
the queue. Surprise: after a restart more runs may be active than there are slots; all of them are
followed, and nothing new is admitted until enough have ended.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

from blossomtune_gradio.background import Loop
from blossomtune_gradio.errors import FlowerError
from blossomtune_gradio.services.runs.carrying.tools import Tools
from blossomtune_gradio.services.runs.carrying.worker import RunWorker
from blossomtune_gradio.services.runs.judging.end import Verdict
from blossomtune_gradio.services.runs.queue.outside import Outside
from blossomtune_gradio.services.runs.watching import waiting
from blossomtune_gradio.services.runs.watching.deadlines import GoOn, for_waiting
from blossomtune_gradio.services.runs.watching.waiting import Wait
from blossomtune_gradio.services.runs.watching.watch import lower_sites, tell_of_wait
from blossomtune_gradio.services.runtimes.runtime import Runtime
from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.store.models import Run, RunStatus

_EVERY = 1.0  # seconds between two looks at the queue
_OUTSIDE_EVERY = 2.0  # and at what Flower has that we did not start
_LEAVE_SECONDS = 30.0


@dataclass
class _Held:
    """A run at the head of the queue that waits for sites."""

    told: bool = False


class Runner:
    """Admits queued runs and keeps their workers."""

    def __init__(self, tools: Tools) -> None:
        self._tools, self._book, self.runtimes = tools, tools.book, tools.runtimes
        self._workers: dict[int, RunWorker] = {}
        self._held: dict[int, _Held] = {}
        self._outside = [(runtime, Outside(runtime, tools)) for runtime in self.runtimes]
        self._looked_outside = 0.0
        self.loop = Loop("runner", self._step, _EVERY)

    def open(self) -> None:
        """Go on where the last program of ours ended."""
        self.loop.open()

    def close(self) -> None:
        """Stop admitting and following; the runs themselves go on."""
        self.loop.close(_LEAVE_SECONDS)
        workers = list(self._workers.values())
        for worker in workers:
            worker.close()
        for worker in workers:
            worker.join(_LEAVE_SECONDS)

    def wake(self) -> None:
        """Something changed: look at the queue now."""
        self.loop.wake()

    def wait_of(self, run: Run) -> Wait | None:
        """What a run that has not ended waits for, or None."""
        if run.status.is_end:
            return None
        runtime = self.runtimes.of(run.runtime)
        if lack := runtime.lack():
            return waiting.for_runtime(run, lack)
        if run.status is not RunStatus.QUEUED:
            worker = self._workers.get(run.id)
            return worker.watcher.wait(run) if worker else None
        if run.waiting_since is not None and run.min_sites > _online(runtime):
            return _wait_for_sites(run, runtime)
        active = [one for one in self._book.active() if one.runtime == run.runtime]
        if len(active) >= runtime.slots:
            before = (one for one in self._book.queued() if one.position < run.position)
            ahead = sum(one.runtime == run.runtime for one in before)
            return waiting.for_slot(active, ahead, runtime.slots)
        if run.min_sites > _online(runtime):
            return _wait_for_sites(run, runtime)
        return None

    def waiting_for(self, run: Run) -> str:
        """The same as a sentence, or "" when there is no need to look at it."""
        wait = self.wait_of(run)
        return wait.sentence if wait and wait.late else ""

    # -- the thread ------------------------------------------------------------------------

    def _step(self) -> None:
        self._workers = {n: worker for n, worker in self._workers.items() if not worker.is_over}
        self._look_outside()
        for run in self._book.active():
            if run.id not in self._workers:
                self._employ(run)
        for run in self._book.queued():
            runtime = self.runtimes.of(run.runtime)
            is_free = self._has_slot(runtime) and not self.loop.ending.is_set()
            if runtime.lack() or (not is_free and run.waiting_since is None):
                continue  # in the second case its deadline has not begun
            if self._may_begin(run, runtime) and is_free and self._book.submitted(run.id):
                self._held.pop(run.id, None)
                self._employ(run)

    def _look_outside(self) -> None:
        """Runs that did not come from us take a slot, too: sites do one thing at a time."""
        if time.monotonic() - self._looked_outside < _OUTSIDE_EVERY:
            return
        self._looked_outside = time.monotonic()
        for runtime, outside in self._outside:
            with suppress(FlowerError):  # the next look will do
                if not runtime.lack():
                    outside.take_in()

    def _has_slot(self, runtime: Runtime) -> bool:
        busy = sum(worker.runtime.name == runtime.name for worker in self._workers.values())
        return busy < runtime.slots

    def _employ(self, run: Run) -> None:
        worker = RunWorker(run, self.runtimes.of(run.runtime), self._tools, self.wake)
        self._workers[run.id] = worker
        self._tools.loops.add(worker.loop)
        worker.loop.open()

    def _may_begin(self, run: Run, runtime: Runtime) -> bool:
        """Whether enough sites are online; else its wait, and what the deadline says, is noted."""
        online = _online(runtime)
        if run.min_sites <= online:
            return True
        wait = _wait_for_sites(run, runtime)
        held = self._held.setdefault(run.id, _Held())
        if run.waiting_since is None:
            self._book.waits(run.id, wait.sentence)
        held.told = tell_of_wait(self._book, run, wait, held.told)
        what = for_waiting(run, online, wait.sentence)
        if isinstance(what, GoOn):
            lower_sites(self._book, run, what.sites)
        elif what is not None:
            self._book.end(run.id, Verdict(RunStatus.STOPPED, what.sentence, what.code))
        return False


def _wait_for_sites(run: Run, runtime: Runtime) -> Wait:
    return waiting.for_sites(run, run.min_sites, runtime.sites(), None)


def _online(runtime: Runtime) -> int:
    return sum(site.presence is Presence.ONLINE for site in runtime.sites())
