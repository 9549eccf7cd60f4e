"""Work that goes on by itself: a `Loop` is one thread that no fault ends.

A loop takes turns: its step is called, then it waits until it is woken or its time has come. What a
step raises is logged with its traceback, counted, and the loop goes on after a pause that doubles
as long as every turn fails. `Loops` are those of one application; they count for `/healthz` and say
whose log a sentence belongs to. Limit: a step that never returns is not ended, only seen (its last
good turn grows old). Surprise: a fault that comes again at once is counted, not logged once more.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf

from blossomtune_gradio.errors import BlossomError

_RETRY, _LONGEST = 1.0, 30.0  # seconds: the first pause after a fault, and where doubling ends
_log = logging.getLogger(__name__)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_at_work_for: ContextVar[Loops | None] = ContextVar("at_work_for", default=None)


@dataclass(frozen=True)
class LoopCount:
    """How a loop has fared; of several with one name, how all of them have."""

    name: str
    turns: int = 0
    faults: int = 0  # turns that raised
    last_fault: str = ""  # a sentence
    last_fault_at: datetime | None = None
    last_good_at: datetime | None = None  # None: no turn has ended well yet

    @property
    def stumbles(self) -> bool:
        """Its newest turn was a fault."""
        return (self.last_fault_at or _LONG_AGO) > (self.last_good_at or _LONG_AGO)

    def and_of(self, other: LoopCount) -> LoopCount:
        """Both together, under this name."""
        newer = max(self, other, key=lambda turns: turns.last_fault_at or _LONG_AGO)
        good = [at for at in (self.last_good_at, other.last_good_at) if at]
        return LoopCount(
            self.name,
            self.turns + other.turns,
            self.faults + other.faults,
            newer.last_fault,
            newer.last_fault_at,
            max(good, default=None),
        )


class Loop:
    """A thread that calls `step` again and again, from `open` to `close`."""

    def __init__(
        self,
        name: str,
        step: Callable[[], float | None],
        every: float = inf,
        *,
        retry: float = _RETRY,
        longest: float = _LONGEST,
        of: str = "",
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`name` is what it is counted under, `of` tells loops of one name apart.

        `step` may return the seconds until its next turn, instead of `every` (without one: until
        it is woken). `retry` and `longest` bound the pause after a fault. `on_end` is called by the
        thread, last of all.
        """
        self.ending = threading.Event()  # set: it shall end; steps that take long look at it
        self._step, self._every, self._on_end = step, every, on_end
        self._retry, self._longest = retry, longest
        self._wake, self._over = threading.Event(), threading.Event()
        self._said, self._in_a_row = "", 0  # the last fault, as it was logged
        self._turns = LoopCount(name)
        self._title = f"{name} {of}".rstrip()
        self.loops: Loops | None = None
        self._thread = threading.Thread(
            target=self._run, name=self._title.replace(" ", "-"), daemon=True
        )

    @property
    def turns(self) -> LoopCount:
        """How it has fared until now."""
        return self._turns

    @property
    def is_over(self) -> bool:
        """It has taken its last turn."""
        return self._over.is_set()

    def open(self) -> None:
        """Take the first turn, now."""
        self._thread.start()

    def wake(self) -> None:
        """Take a turn now; after a fault, once its pause is over."""
        self._wake.set()

    def end(self) -> None:
        """Take no further turn. Its own step may say so."""
        self.ending.set()
        self._wake.set()

    def close(self, seconds: float | None = 10.0) -> bool:
        """End, and wait for it (None: as long as it takes). True: it was open and is over."""
        self.end()
        if self._thread.is_alive():
            self._thread.join(seconds)
        return self.is_over

    # -- the thread ------------------------------------------------------------------------

    def _run(self) -> None:
        _at_work_for.set(self.loops)
        while not self.ending.is_set():
            self._turn()
        self._over.set()
        self._on_end()

    def _turn(self) -> None:
        try:
            wanted = self._step()
        except Exception as error:  # noqa: BLE001 - no fault ends a loop; this is the one place
            self.ending.wait(self._faulty(error))
            return
        self._good()
        pause = self._every if wanted is None else wanted
        self._wake.wait(None if pause == inf else pause)
        self._wake.clear()

    def _good(self) -> None:
        turns = self._turns
        self._turns = replace(turns, turns=turns.turns + 1, last_good_at=datetime.now(UTC))
        if self._in_a_row > 1:
            _log.info("%s: works again, after %d faults.", self._title, self._in_a_row)
        self._said, self._in_a_row = "", 0

    def _faulty(self, error: Exception) -> float:
        """Log and count it; the seconds until the next turn."""
        turns, fault = self._turns, reason(error)
        if fault != self._said:  # told before it is counted: who sees the count finds the sentence
            _log.error("%s: a fault of ours: %s It goes on.", self._title, fault, exc_info=error)
        self._said = fault
        self._turns = replace(
            turns,
            turns=turns.turns + 1,
            faults=turns.faults + 1,
            last_fault=fault,
            last_fault_at=datetime.now(UTC),
        )
        self._in_a_row += 1
        return min(self._retry * float(1 << min(self._in_a_row - 1, 30)), self._longest)


class Loops:
    """The loops of one application. Of those that have ended, the counts stay."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alive: list[Loop] = []
        self._past: dict[str, LoopCount] = {}

    def add(self, *loops: Loop) -> None:
        """Count these, before they are opened."""
        with self._lock:
            self._forget()
            for loop in loops:
                loop.loops = self
                self._alive.append(loop)

    def turns(self) -> list[LoopCount]:
        """How they have fared, one for each name, by name."""
        with self._lock:
            self._forget()
            names = self._past | {}
            _count(names, self._alive)
        return [names[name] for name in sorted(names)]

    def theirs(self, work: Callable[[], None]) -> Callable[[], None]:
        """`work` for a thread that is no loop, but belongs to the same application."""

        def run() -> None:
            _at_work_for.set(self)
            work()

        return run

    def may_be_theirs(self) -> bool:
        """Whether this thread works for this application, or for none in particular."""
        return _at_work_for.get() in (None, self)

    def _forget(self) -> None:
        _count(self._past, [loop for loop in self._alive if loop.is_over])
        self._alive = [loop for loop in self._alive if not loop.is_over]


def reason(error: BaseException) -> str:
    """What an error says, as one line; with its kind, where it is not one of ours."""
    if isinstance(error, BlossomError):
        return str(error)
    first = next(iter(str(error).splitlines()), "")
    text = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _count(names: dict[str, LoopCount], loops: Iterable[Loop]) -> None:
    for loop in loops:
        turns = loop.turns
        names[turns.name] = names[turns.name].and_of(turns) if turns.name in names else turns
