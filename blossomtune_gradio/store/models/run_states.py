"""Where a run stands, what is wanted of it, and which move from one to the other is legal."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class RunStatus(StrEnum):
    """Where a run stands. The last four are ends, each with a cause in words."""

    QUEUED = "queued"
    SUBMITTED = "submitted"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"

    @property
    def is_end(self) -> bool:
        """True when the run will never change again."""
        return self in _RUN_ENDS


class Wish(StrEnum):
    """What is to become of a run that has not ended."""

    NONE = ""
    AGAIN = "again"  # it is stopped to be submitted again, with changed values
    STOP = "stop"


_R = RunStatus
_RUN_ENDS = frozenset({_R.COMPLETED, _R.FAILED, _R.STOPPED, _R.LOST})
RUN_MOVES: Mapping[RunStatus, set[RunStatus]] = {
    _R.QUEUED: {_R.SUBMITTED, _R.FAILED, _R.STOPPED},
    _R.SUBMITTED: {_R.RUNNING, *_RUN_ENDS},
    _R.RUNNING: {_R.SUBMITTED, *_RUN_ENDS},  # back only with the wish `AGAIN`
    _R.COMPLETED: set(),
    _R.FAILED: set(),
    _R.STOPPED: set(),
    _R.LOST: set(),
}
WISH_MOVES: Mapping[Wish, set[Wish]] = {
    Wish.NONE: {Wish.AGAIN, Wish.STOP},
    Wish.AGAIN: {Wish.NONE, Wish.STOP},
    Wish.STOP: {Wish.STOP},  # a person after a deadline, or another person
}
