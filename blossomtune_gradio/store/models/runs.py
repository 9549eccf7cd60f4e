"""Training runs and what was measured in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from blossomtune_gradio.errors import NotPossible
from blossomtune_gradio.store.models.base import Base, Large, moved, now
from blossomtune_gradio.store.models.run_states import RUN_MOVES, WISH_MOVES, RunStatus, Wish

OUTSIDE = "flwr"
"""Who started a run that did not come from us; no user has such an id."""
DEPLOYED = "deployed"
"""The runtime of a run for which no other was chosen."""


class Run(Base):
    """One training run, from the click on *Deploy* to its end and after."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("runtime", "flower_run_id", name="uq_runs_runtime_flower_run_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    app: Mapped[str]
    app_hash: Mapped[str] = mapped_column(default="")  # SHA-256 of the bundle the sites got
    app_version: Mapped[str] = mapped_column(default="")
    config: Mapped[dict[str, Any]]
    partitions: Mapped[int]
    min_sites: Mapped[int] = mapped_column(default=0)  # 0: as many as the app itself asks for
    quorum_seconds: Mapped[int] = mapped_column(default=0)  # may wait for sites; 0: without end
    on_quorum: Mapped[str] = mapped_column(default="stop")  # then "stop" or "go on"
    round_seconds: Mapped[int] = mapped_column(default=0)  # a round may take; 0: without end
    status_word: Mapped[str] = mapped_column("status", default=RunStatus.QUEUED.value, index=True)
    position: Mapped[int] = mapped_column(default=0, index=True)  # in the queue, lowest first
    cause: Mapped[str] = mapped_column(default="")  # of the end, a sentence
    cause_code: Mapped[str] = mapped_column(default="")  # the same as a word: "quorum"
    evidence: Mapped[list[str]] = mapped_column(default=list)  # lines that show the cause
    advice: Mapped[str] = mapped_column(default="")  # what to do about it
    command: Mapped[str] = mapped_column(default="")  # the same thing for a terminal
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    runtime: Mapped[str] = mapped_column(default=DEPLOYED)  # where it runs
    flower_run_id: Mapped[str | None]  # a uint64 in decimal, of the runtime
    round: Mapped[int] = mapped_column(default=0)
    rounds: Mapped[int] = mapped_column(default=0)
    waiting_since: Mapped[datetime | None]  # for sites; empty while it has enough
    round_began_at: Mapped[datetime | None]
    created_by: Mapped[str]  # id of a user
    started_by: Mapped[str] = mapped_column(default="")  # the same person, for people
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    stop_asked_by: Mapped[str] = mapped_column(default="")  # a name, for people
    stop_code: Mapped[str] = mapped_column(default="")  # of the cause, when we ask ourselves
    stop_sentence: Mapped[str] = mapped_column(default="")  # the same for people
    again: Mapped[bool] = mapped_column(default=False)  # once stopped, it is submitted again
    bytes_sent: Mapped[int] = mapped_column(Large, default=0)  # towards the sites
    bytes_received: Mapped[int] = mapped_column(Large, default=0)
    client_seconds: Mapped[float] = mapped_column(default=0.0)  # compute time of all sites
    server_seconds: Mapped[float] = mapped_column(default=0.0)  # the ServerApp has run
    tags: Mapped[list[str]] = mapped_column(default=list)
    note: Mapped[str] = mapped_column(default="")
    pinned: Mapped[bool] = mapped_column(default=False)

    @property
    def source(self) -> str:
        """ "outside" for a run of a plain `flwr run`, else "here"."""
        return "outside" if self.created_by == OUTSIDE else "here"

    @property
    def status(self) -> RunStatus:
        """The state, as one of the words of the table above."""
        return RunStatus(self.status_word)

    @property
    def wish(self) -> Wish:
        """What is to become of it; `NONE` once it has ended."""
        if self.status.is_end:
            return Wish.NONE
        if self.stop_asked_by:
            return Wish.STOP
        return Wish.AGAIN if self.again else Wish.NONE

    @property
    def reason(self) -> str:
        """Why it ended or is being stopped, as a sentence, or ""."""
        return self.cause if self.status.is_end else self.stop_sentence

    def ask_stop(self, by: str, code: str = "", sentence: str = "") -> None:
        """Wish for its end. Raises NotPossible when it has ended."""
        self._wish(Wish.STOP)
        self.stop_asked_by, self.stop_code, self.stop_sentence = by, code, sentence
        self.again = False

    def ask_again(self) -> None:
        """Wish that it is stopped only to be submitted again. Raises NotPossible."""
        self._wish(Wish.AGAIN)
        self.again = True

    def begin_again(self) -> None:
        """It is over in Flower, and goes there anew. Raises NotPossible without that wish."""
        self._wish(Wish.NONE)
        if self.status is RunStatus.RUNNING:
            self.move_to(RunStatus.SUBMITTED)
        self.again, self.flower_run_id, self.started_at = False, None, None
        self.round, self.round_began_at = 0, None

    def _wish(self, new: Wish) -> None:
        if self.status.is_end:
            raise NotPossible(f"{self.name} is {self.status} already.")
        moved(f"The wish for {self.name}", self.wish, new, WISH_MOVES)

    def move_to(
        self,
        new: RunStatus,
        cause: str = "",
        code: str = "",
        evidence: Sequence[str] = (),
        advice: str = "",
    ) -> None:
        """Change state, or raise `NotPossible`. An end takes its cause along."""
        self.status_word = moved(f"The run {self.name}", self.status, new, RUN_MOVES)
        if new is RunStatus.RUNNING:
            self.started_at = now()
        if new.is_end:
            self.ended_at, self.cause, self.cause_code = now(), cause, code
            self.evidence, self.advice = list(evidence), advice
            self.waiting_since, self.again = None, False


class RunEvent(Base):
    """One entry of a run's timeline. Rows are only ever added, and go with their run."""

    __tablename__ = "run_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(default=now)
    kind: Mapped[str]  # "queued", "submitted", "running", "waiting", "round", "site", "end" ...
    text: Mapped[str]  # a sentence
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


class RunSite(Base):
    """What one site did in one run."""

    __tablename__ = "run_sites"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    node_id: Mapped[str] = mapped_column(primary_key=True)  # Flower's, a uint64 in decimal
    participant_id: Mapped[int | None] = mapped_column(ForeignKey("participants.id"), index=True)
    name: Mapped[str]  # as it was called then
    partition_id: Mapped[int | None]
    asked: Mapped[int] = mapped_column(default=0)  # messages it was given
    answered: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    last_round: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(default="")
    open_messages: Mapped[list[str]] = mapped_column(default=list)  # asked, not answered yet
    open_since: Mapped[datetime | None]  # the oldest of them
    first_at: Mapped[datetime] = mapped_column(default=now)
    last_at: Mapped[datetime] = mapped_column(default=now)


class RunError(Base):
    """One error reply of a run, as Flower recorded it. Taking it in twice changes nothing."""

    __tablename__ = "run_errors"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    message_id: Mapped[str] = mapped_column(primary_key=True)  # Flower's, of the question
    number: Mapped[int] = mapped_column(Large)  # order of arrival
    node_id: Mapped[str]  # who was asked, a uint64 in decimal
    by_site: Mapped[bool]  # False: Flower's own, in place of an answer that never came
    reason: Mapped[str]


class RunPreset(Base):
    """A filled-in launch form under a name."""

    __tablename__ = "run_presets"
    __table_args__ = (UniqueConstraint("name", "app", name="uq_run_presets_name_app"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    app: Mapped[str] = mapped_column(index=True)
    config: Mapped[dict[str, Any]]  # what differs from the app's defaults
    limits: Mapped[dict[str, Any]] = mapped_column(default=dict)  # min_sites, quorum_seconds ...
    owner: Mapped[str]  # id of a user
    owner_name: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=now)


class MetricPoint(Base):
    """One value of one metric in one round. Hearing it twice changes nothing."""

    __tablename__ = "metric_points"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)  # "server/accuracy"
    site: Mapped[str] = mapped_column(primary_key=True)  # "" for the whole federation
    round: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[float | None]  # None: not a finite number
