"""One run in its slot: handed to Flower, followed, ended. A thread of its own.

Every step can be repeated after a crash. Surprise: an error of ours must neither end a run that
goes well nor hold its slot for ever, so the work is tried again some times before it is given up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from blossomtune_gradio.background import Loop
from blossomtune_gradio.services.runs.carrying.follower import RunFollower
from blossomtune_gradio.services.runs.carrying.submission import Submission
from blossomtune_gradio.services.runs.carrying.tools import Tools
from blossomtune_gradio.services.runs.judging.end import Verdict
from blossomtune_gradio.services.runs.judging.verdict import stumbled
from blossomtune_gradio.services.runs.watching.watch import RunWatcher
from blossomtune_gradio.services.runtimes.runtime import Runtime
from blossomtune_gradio.store.models import Run, Wish

_log = logging.getLogger(__name__)
_TRIES, _PAUSE = 3, 2.0


class RunWorker:
    """Takes one submitted run to its end."""

    def __init__(
        self, run: Run, runtime: Runtime, tools: Tools, on_end: Callable[[], None]
    ) -> None:
        self.run_id, self.runtime, self._tools, self._tries = run.id, runtime, tools, 0
        self.watcher = RunWatcher(run.id, runtime, tools.book)
        self.loop = Loop(
            "run", self._serve, 0, retry=_PAUSE, longest=_PAUSE, of=str(run.id), on_end=on_end
        )
        self._ending = self.loop.ending
        self._submission = Submission(run, runtime, tools, self._ending)

    @property
    def is_over(self) -> bool:
        """True when its slot is free again."""
        return self.loop.is_over

    def close(self) -> None:
        """Stop following; the run itself goes on."""
        self.loop.end()

    def join(self, seconds: float) -> None:
        """Wait until its thread has gone and no `flwr run` is left."""
        self.loop.close(seconds)
        self._submission.close()

    # -- the thread ------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            self._work()
        except Exception as error:
            self._tries += 1
            if self._tries >= _TRIES and self._give_up(error):  # it must not wedge the queue
                self.loop.end()
            raise
        self.loop.end()

    def _work(self) -> None:
        book = self._tools.book
        while not self._ending.is_set():
            run = book.get(self.run_id)
            if run.status.is_end:
                return
            step = self._submission.work if run.flower_run_id is None else self._follow
            verdict = step(run)
            if verdict is not None:
                book.end(self.run_id, verdict)

    def _follow(self, run: Run) -> Verdict | None:
        tools = self._tools
        follower = RunFollower(
            run,
            tools.book,
            self.runtime,
            tools.metrics,
            tools.logs,
            self.watcher,
            self._ending,
            lambda: tools.reads(run.app),
        )
        verdict = follower.to_the_end()
        if verdict is None and tools.book.get(run.id).wish is Wish.AGAIN:
            self._begin_anew()
        return verdict

    def _begin_anew(self) -> None:
        """Flower's run is over; the next round of `_work` submits with the changed values."""
        with self._tools.book.change(self.run_id) as (_, run):
            if run.wish is not Wish.AGAIN or self._ending.is_set():
                return
            self._tools.folders.of(run).remove()
            run.begin_again()

    def _give_up(self, error: Exception) -> bool:
        """End a run that we cannot go on with, so that its slot is free. False: not even that."""
        try:
            run = self._tools.book.get(self.run_id)
            if run.flower_run_id is not None:
                self.runtime.control.stop(int(run.flower_run_id))
        except Exception:  # noqa: BLE001 - Flower may be what is broken
            _log.exception("Run %d could not be stopped.", self.run_id)
        try:
            self._tools.book.end(self.run_id, stumbled(error))
        except Exception:  # noqa: BLE001 - the database may be broken; tried again
            _log.exception("Run %d could not be ended.", self.run_id)
            return False
        return True
