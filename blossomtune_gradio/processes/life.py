"""One life of a child: from its start, over all restarts, to its last end.

A life has one thread and it alone looks at the child, signals and reaps it; everybody else asks
(`ask_to_end`, `let_go`) and waits (`join`). So nothing is done twice when several people press
buttons at once. What happens is told through `move`, the only way to another state.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Protocol

from blossomtune_gradio.errors import ProcessFailed
from blossomtune_gradio.processes.child import Child, spawn, taken_after, would_not_end
from blossomtune_gradio.processes.model import Program, State, next_pause
from blossomtune_gradio.processes.record import RecordFile
from blossomtune_gradio.processes.words import how_it_ended, last_lines

_LOOK = 0.1  # seconds between two looks at the child

_log = logging.getLogger(__name__)


class StateMove(Protocol):
    def __call__(self, *moves: tuple[State, str]) -> None:
        """Make these moves (new state, reason) at once."""


class Life:
    def __init__(self, program: Program, records: RecordFile, child: Child) -> None:
        self.program = program
        self.child: Child | None = child  # None while it backs off
        self.exit_code: int | None = None
        self.restarts = 0
        self.ran = False  # it was ready at least once
        self.left = False  # let go: nobody here owns the child any more
        self.survivors = ""  # a sentence, if something would not end
        self._records = records
        self._wake = Event()  # somebody wants it to end, or to be let go
        self._began = time.monotonic()
        self._pause = 0.0
        self._thread: Thread | None = None

    def begin(self, move: StateMove, broke: Callable[[str], None]) -> None:
        self._run(self._live, move, broke)

    def end_again(self, move: StateMove, broke: Callable[[str], None]) -> None:
        """One more try to end what survived the last one."""
        self._run(self._end, move, broke)

    def ask_to_end(self) -> None:
        self._wake.set()

    def let_go(self) -> None:
        self.left = True
        self._wake.set()

    def is_over(self) -> bool:
        return self._thread is None or not self._thread.is_alive()

    def join(self, seconds: float) -> bool:
        """Whether it was over within `seconds`."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self.is_over()

    def last_lines(self) -> str:
        return last_lines(self.program.output, self.child.record.output_from) if self.child else ""

    # -- below: on its own thread ---------------------------------------------------------------

    def _run(
        self, work: Callable[[StateMove], None], move: StateMove, broke: Callable[[str], None]
    ) -> None:
        def run() -> None:
            try:
                work(move)
            except Exception as error:  # noqa: BLE001 - a dead thread leaves a state that lies
                _log.exception("the thread that watches %s broke", self.program.name)
                broke(f"{self.program.name} cannot be watched any more: {error!r}")

        name = f"process-{self.program.name}"
        self._thread = Thread(target=run, name=name, daemon=True)
        self._thread.start()

    def _live(self, move: StateMove) -> None:
        child: Child | None = self.child
        trouble = ""
        while True:
            if child is not None:
                trouble = self._attend(child, move)
            if not self._wake.is_set():
                self._bury(child, trouble, move)
                if not self.program.restart:
                    return
                self._wake.wait(self._pause)
            if self.left:
                return
            if self._wake.is_set():
                self._end(move)
                return
            child, trouble = self._start_again(move)

    def _attend(self, child: Child, move: StateMove) -> str:
        """Until the child ended or somebody asked; a sentence if it was not ready in time."""
        if self.program.ready is not None:
            trouble = self._await_ready(child, self.program.ready)
            if trouble or self._wake.is_set() or child.has_ended():
                return trouble
        self.ran = True
        move((State.RUNNING, ""))
        while not child.has_ended() and not self._wake.wait(_LOOK):
            pass
        return ""

    def _await_ready(self, child: Child, ready: Callable[[], bool]) -> str:
        within = self.program.ready_within
        deadline = time.monotonic() + within
        trouble = ""
        while not child.has_ended() and not self._wake.is_set():
            try:
                if ready():
                    return ""
                trouble = ""
            except Exception as error:  # noqa: BLE001 - while it comes up, anything may go wrong
                trouble = f" The last check said: {error}"
            if time.monotonic() > deadline:
                return f"{self.program.name} was not ready within {within:g} s.{trouble}"
            self._wake.wait(_LOOK)
        return ""

    def _bury(self, child: Child | None, trouble: str, move: StateMove) -> None:
        """The child ended by itself or never got ready: clear its tree, tell how it came."""
        state, lines = State.FAILED, ""
        if child is not None:
            began_to_work = self.ran and not trouble
            lines = self.last_lines()
            self._clear(child, keep_record=self.program.restart)
            if self.exit_code == 0 and not trouble and not self.survivors:
                state = State.EXITED
            how = f"{self.program.name} {how_it_ended(self.exit_code)}"
            trouble = trouble or how + ("." if began_to_work else " before it was ready.")
            trouble = f"{trouble} {self.survivors}".rstrip()
        if not self.program.restart:
            move((state, trouble + lines))
            return
        lived = time.monotonic() - self._began if child is not None else 0
        self._pause = next_pause(self._pause, lived)
        at = datetime.now(UTC) + timedelta(seconds=self._pause)
        again = f" It is started again in {self._pause:g} s, at {at:%H:%M:%S} UTC."
        # Both at once: who waits for an end is not told of one that is not final.
        move((state, trouble + lines), (State.BACKING_OFF, trouble + again + lines))
        if not self.survivors:  # until the end is told, a crash of ours must not forget it
            self._records.delete()

    def _start_again(self, move: StateMove) -> tuple[Child | None, str]:
        self.restarts += 1
        self._began = time.monotonic()
        self.exit_code = None
        move((State.STARTING, ""))
        try:
            self.child = spawn(self.program, self._records)
        except ProcessFailed as error:
            return None, str(error)
        return self.child, ""

    def _end(self, move: StateMove) -> None:
        """The way down that somebody asked for."""
        move((State.STOPPING, ""))
        self.survivors = ""
        if self.child is not None:
            self._clear(self.child)
            self.survivors = self.survivors or taken_after(self.program)
        move((State.FAILED if self.survivors else State.STOPPED, self.survivors))

    def _clear(self, child: Child, *, keep_record: bool = False) -> None:
        remaining = child.end(self.program.grace)
        self.exit_code = child.exit_code
        if remaining:
            self.survivors = would_not_end(self.program.name, remaining)
            return
        self.survivors = ""
        self.child = None
        if not keep_record:
            self._records.delete()
