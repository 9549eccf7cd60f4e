"""One child program: its state, its output, its orderly end.

The face that services see; the work is done by a `Life` on its own thread, here is the state and
the lock around it. Limit: `on_change` runs on the thread that makes the move; it must be short and
must not stop or wait for the same child. Surprise: a program with `restart` that dies is never seen
in EXITED or FAILED by `wait`, it goes on to BACKING_OFF in the same moment.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Condition, RLock

from blossomtune_gradio.errors import NotPossible, ProcessFailed
from blossomtune_gradio.processes.child import adopt, clear_leftovers, spawn
from blossomtune_gradio.processes.life import Life
from blossomtune_gradio.processes.model import FINAL, NEXT, Program, State, Status
from blossomtune_gradio.processes.record import RecordFile

_LADDER = 30.0  # seconds that the way down may take beyond the program's own grace

_log = logging.getLogger(__name__)


class ProcessSupervisor:
    def __init__(self, record_dir: Path, on_change: Callable[[Status], None] | None = None) -> None:
        self._record_dir = record_dir
        self._on_change = on_change
        self._changed = Condition(RLock())
        self._status = Status(name="", state=State.STOPPED, since=datetime.now(UTC))
        self._life: Life | None = None
        self._closed = False
        self._telling = RLock()
        self._untold: deque[Status] = deque()

    @property
    def status(self) -> Status:
        """A snapshot; costs nothing."""
        return self._status

    def start(self, program: Program) -> None:
        """Spawn `program` and return while it is STARTING; ends first what an earlier start left.

        Raises NotPossible if it is started already, ProcessFailed if it cannot be spawned.
        """
        try:
            with self._changed:
                records = self._claim(program)
                self._to(State.STARTING)
                try:
                    clear_leftovers(program.name, records)
                    child = spawn(program, records)
                except ProcessFailed as error:
                    self._to(State.FAILED, str(error))
                    raise
                self._hand_over(Life(program, records, child))
        finally:
            self._tell()

    def adopt(self, program: Program) -> bool:
        """Take over the child that an earlier supervisor left running.

        False if it is not there (any more); then what is left of its tree was ended. Raises
        NotPossible if something is started already, ProcessFailed if a part of the tree survives.
        """
        try:
            with self._changed:
                records = self._claim(program)
                child = adopt(records.read())
                if child is None:
                    clear_leftovers(program.name, records)
                    return False
                self._to(State.STARTING)
                self._hand_over(Life(program, records, child))
                return True
        finally:
            self._tell()

    def stop(self) -> None:
        """End the whole tree; return when it and its ports are gone. Nothing to stop is fine.

        Takes up to the program's grace and some seconds. Raises ProcessFailed if something
        survives; call it again to try again.
        """
        with self._changed:
            life = self._life
            if life is None:
                return
            if life.left:
                raise NotPossible(f"{life.program.name} was left running and is no longer ours.")
            life.ask_to_end()
            if life.survivors and life.is_over():
                life.end_again(self._move, self._broke)
        if not life.join(life.program.grace + _LADDER):
            raise ProcessFailed(
                f"{life.program.name} is still being ended. Wait a minute, then stop it again."
            )
        if life.survivors:
            raise ProcessFailed(life.survivors)

    def wait(self, *states: State, seconds: float) -> Status:
        """The status as soon as one of `states` is reached.

        Raises ProcessFailed, with the reason and the last output lines, if another final state is
        reached instead, if the child died before it was ever ready, or if `seconds` are over.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while (status := self._status).state not in states:
                left = deadline - time.monotonic()
                if self._is_hopeless():
                    raise ProcessFailed(status.reason or f"{status.name} is {status.state}.")
                if left <= 0:
                    lines = status.reason or (self._life.last_lines() if self._life else "")
                    raise ProcessFailed(
                        f"{status.name} is {status.state} after {seconds:g} s, "
                        f"not {' or '.join(states)}. {lines}".rstrip()
                    )
                self._changed.wait(left)
            return status

    def close(self, leave_running: bool = False) -> None:
        """End our thread; and the child, unless `leave_running`: then `adopt` finds it again."""
        with self._changed:
            self._closed = True
            life = self._life
            if leave_running and life is not None and not life.is_over():
                life.let_go()
        if not leave_running:
            self.stop()
        elif life is not None and not life.join(life.program.grace + _LADDER):
            raise ProcessFailed(f"{life.program.name} is still being ended.")

    # -- the state; with the lock held ----------------------------------------------------------

    def _claim(self, program: Program) -> RecordFile:
        """Refuse a second start. Raises NotPossible."""
        if self._closed:
            raise NotPossible(f"{program.name} cannot start: BlossomTune is closing.")
        if self._status.state not in FINAL:
            raise NotPossible(f"{self._status.name} is {self._status.state} already.")
        self._life = None
        self._status = replace(self._status, name=program.name)
        return RecordFile(self._record_dir / f"{program.name}.json")

    def _hand_over(self, life: Life) -> None:
        self._life = life
        self._status = replace(self._status, pid=life.child.pid if life.child else None)
        life.begin(self._move, self._broke)

    def _to(self, new: State, reason: str = "") -> None:
        """The only way to another state."""
        if new not in NEXT[self._status.state]:
            raise RuntimeError(f"{self._status.name}: {self._status.state} -> {new} is not a move")
        self._set(new, reason)

    def _set(self, new: State, reason: str) -> None:
        life = self._life
        self._status = Status(
            name=self._status.name,
            state=new,
            since=datetime.now(UTC),
            pid=life.child.pid if life and life.child else None,
            exit_code=life.exit_code if life else None,
            reason=reason,
            restarts=life.restarts if life else 0,
        )
        self._untold.append(self._status)
        self._changed.notify_all()

    def _is_hopeless(self) -> bool:
        """Whether no other state will come by itself, or none worth waiting for."""
        state = self._status.state
        never_ran = self._life is not None and not self._life.ran
        return state in FINAL or (state is State.BACKING_OFF and never_ran)

    # -- called by the life, on its thread ------------------------------------------------------

    def _move(self, *moves: tuple[State, str]) -> None:
        with self._changed:
            for state, reason in moves:
                self._to(state, reason)
        self._tell()

    def _broke(self, reason: str) -> None:
        with self._changed:
            self._set(State.FAILED, reason)
        self._tell()

    def _tell(self) -> None:
        """Call `on_change` for each move, in their order, without holding the state's lock."""
        with self._telling:
            while self._untold:
                status = self._untold.popleft()
                if self._on_change is None:
                    continue
                try:
                    self._on_change(status)
                except Exception:  # noqa: BLE001 - its trouble must not end our watch
                    _log.exception("a listener to %s failed", status.name)
