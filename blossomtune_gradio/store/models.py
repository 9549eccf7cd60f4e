"""The tables, and which change of state is legal.

The database holds what must never be false (unique names, partitions, keys); each class guards its
own moves. Times are UTC. Surprise: a run's or participant's *online* state is not here, because
Flower owns that fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import JSON, DateTime, ForeignKey, MetaData, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from blossomtune_gradio.errors import NotPossible

Word = TypeVar("Word", bound=StrEnum)


class ParticipantStatus(StrEnum):
    """Where somebody stands on the way to a connected site."""

    REQUESTED = "requested"  # code e-mailed, mailbox not yet proven
    CONFIRMED = "confirmed"  # code came back; waits for an admin
    APPROVED = "approved"  # owns a partition, may connect a SuperNode
    DENIED = "denied"  # refused by an admin
    REVOKED = "revoked"  # was approved, is cut off
    WITHDRAWN = "withdrawn"  # left by themselves


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


class MailStatus(StrEnum):
    """Where a mail stands."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


_P, _R, _M = ParticipantStatus, RunStatus, MailStatus
_RUN_ENDS = frozenset({_R.COMPLETED, _R.FAILED, _R.STOPPED, _R.LOST})

PARTICIPANT_MOVES: Mapping[ParticipantStatus, set[ParticipantStatus]] = {
    _P.REQUESTED: {_P.CONFIRMED, _P.DENIED, _P.WITHDRAWN},
    _P.CONFIRMED: {_P.APPROVED, _P.DENIED, _P.WITHDRAWN},
    _P.APPROVED: {_P.REVOKED, _P.WITHDRAWN},
    _P.DENIED: {_P.CONFIRMED, _P.REQUESTED},
    _P.REVOKED: {_P.CONFIRMED, _P.REQUESTED},
    _P.WITHDRAWN: {_P.REQUESTED},
}
RUN_MOVES: Mapping[RunStatus, set[RunStatus]] = {
    _R.QUEUED: {_R.SUBMITTED, _R.FAILED, _R.STOPPED},
    _R.SUBMITTED: {_R.RUNNING, *_RUN_ENDS},
    _R.RUNNING: set(_RUN_ENDS),
    _R.COMPLETED: set(),
    _R.FAILED: set(),
    _R.STOPPED: set(),
    _R.LOST: set(),
}


def _moved(what: str, old: Word, new: Word, table: Mapping[Word, set[Word]]) -> Word:
    if new not in table[old]:
        raise NotPossible(f"{what} is {old} and cannot become {new}. Reload to see what changed.")
    return new


class UtcDateTime(TypeDecorator[datetime]):
    """A datetime that is UTC on both sides; SQLite itself forgets the zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value and value.replace(tzinfo=UTC)


def now() -> datetime:
    """The time in UTC, whole milliseconds."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class Base(DeclarativeBase):
    """Root of all tables."""

    metadata = MetaData(
        naming_convention={  # a later migration can only alter a constraint that has a name
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - the name and form SQLAlchemy asks for
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
    }


class Participant(Base):
    """Somebody who asked to bring a site, from the first request to the last revocation."""

    __tablename__ = "participants"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(unique=True)  # "hf:1234", never the mutable name
    site: Mapped[str] = mapped_column(unique=True)  # the name people know the site by
    email: Mapped[str] = mapped_column(unique=True)
    organisation: Mapped[str] = mapped_column(default="")
    message: Mapped[str] = mapped_column(default="")
    status_word: Mapped[str] = mapped_column("status", default=_P.REQUESTED.value, index=True)
    partition_id: Mapped[int | None] = mapped_column(unique=True)
    code_hash: Mapped[str] = mapped_column(default="")
    code_expires_at: Mapped[datetime | None]
    code_tries: Mapped[int] = mapped_column(default=0)
    token_hash: Mapped[str | None] = mapped_column(unique=True)
    token_expires_at: Mapped[datetime | None]
    requested_at: Mapped[datetime] = mapped_column(default=now)
    changed_at: Mapped[datetime] = mapped_column(default=now)
    decided_by: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="")

    @property
    def status(self) -> ParticipantStatus:
        """The state, as one of the words of the table above."""
        return ParticipantStatus(self.status_word)

    def move_to(self, new: ParticipantStatus, by: str = "", reason: str = "") -> None:
        """Change state, or raise `NotPossible`."""
        self.status_word = _moved(f"The site {self.site}", self.status, new, PARTICIPANT_MOVES)
        self.changed_at, self.decided_by, self.reason = now(), by, reason


class NodeKey(Base):
    """A public key a site handed in. Flower never takes a retired key back, so rows stay."""

    __tablename__ = "node_keys"

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participants.id"), index=True)
    pem: Mapped[str]
    node_id: Mapped[str] = mapped_column(default="")  # Flower's, a uint64 in decimal
    added_at: Mapped[datetime] = mapped_column(default=now)
    retired_at: Mapped[datetime | None]


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
        self.status_word = _moved(f"The run {self.name}", self.status, new, RUN_MOVES)
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


class Mail(Base):
    """A mail that waits, was sent, or could not be sent yet."""

    __tablename__ = "mails"

    id: Mapped[int] = mapped_column(primary_key=True)
    recipient: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    status_word: Mapped[str] = mapped_column("status", default=_M.QUEUED.value, index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Option(Base):
    """What an admin changes while the program runs: partitions, whether the SuperLink is wanted."""

    __tablename__ = "options"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
