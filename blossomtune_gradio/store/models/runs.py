"""Training runs and what was measured in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from blossomtune_gradio.store.models.base import Base, moved, now


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


_R = RunStatus
_RUN_ENDS = frozenset({_R.COMPLETED, _R.FAILED, _R.STOPPED, _R.LOST})
RUN_MOVES: Mapping[RunStatus, set[RunStatus]] = {
    _R.QUEUED: {_R.SUBMITTED, _R.FAILED, _R.STOPPED},
    _R.SUBMITTED: {_R.RUNNING, *_RUN_ENDS},
    _R.RUNNING: set(_RUN_ENDS),
    _R.COMPLETED: set(),
    _R.FAILED: set(),
    _R.STOPPED: set(),
    _R.LOST: set(),
}


class Run(Base):
    """One training run, from the click on *Start* to its end and after."""

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    app: Mapped[str]
    config: Mapped[dict[str, Any]]
    partitions: Mapped[int]
    status_word: Mapped[str] = mapped_column("status", default=_R.QUEUED.value, index=True)
    cause: Mapped[str] = mapped_column(default="")  # of the end, a sentence
    command: Mapped[str] = mapped_column(default="")  # the same thing for a terminal
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    flower_run_id: Mapped[str | None] = mapped_column(unique=True)  # a uint64 in decimal
    round: Mapped[int] = mapped_column(default=0)
    rounds: Mapped[int] = mapped_column(default=0)
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    stop_asked_by: Mapped[str] = mapped_column(default="")

    @property
    def status(self) -> RunStatus:
        """The state, as one of the words of the table above."""
        return RunStatus(self.status_word)

    def move_to(self, new: RunStatus, cause: str = "") -> None:
        """Change state, or raise `NotPossible`. An end takes its cause along."""
        self.status_word = moved(f"The run {self.name}", self.status, new, RUN_MOVES)
        if new is RunStatus.RUNNING:
            self.started_at = now()
        if new.is_end:
            self.ended_at, self.cause = now(), cause


class MetricPoint(Base):
    """One value of one metric in one round. Hearing it twice changes nothing."""

    __tablename__ = "metric_points"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)  # "server/accuracy"
    site: Mapped[str] = mapped_column(primary_key=True)  # "" for the whole federation
    round: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[float | None]  # None: not a finite number
