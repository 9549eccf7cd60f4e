"""Who wants to hear of what, and what is on its way to them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from blossomtune_gradio.store.models.base import Base, now


class AlertKind(StrEnum):
    """What people can be told of."""

    RUN_FINISHED = "run_finished"
    RUN_FAILED = "run_failed"
    RUN_WAITING = "run_waiting"
    SITE_LOST = "site_lost"


class AlertWish(Base):
    """Which alerts a person wants by mail, of all runs."""

    __tablename__ = "alert_wishes"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str]
    kinds: Mapped[list[str]] = mapped_column(default=list)


class RunWatch(Base):
    """A person who wants to hear of one run, whatever their general wishes are."""

    __tablename__ = "run_watches"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str]


class Webhook(Base):
    """An address that is told of events, with a signature made with its secret."""

    __tablename__ = "webhooks"

    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str]
    secret: Mapped[str]  # needed in clear to sign; shown once
    events: Mapped[list[str]]
    run_id: Mapped[int | None] = mapped_column(  # only of this run; empty: of all
        ForeignKey("runs.id", ondelete="CASCADE")
    )
    owner: Mapped[str]  # id of a user
    owner_name: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=now)


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"  # waits for its first or next try
    SENT = "sent"
    FAILED = "failed"  # given up


class WebhookDelivery(Base):
    """One event on its way to one webhook."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[int] = mapped_column(primary_key=True)
    webhook_id: Mapped[int] = mapped_column(
        ForeignKey("webhooks.id", ondelete="CASCADE"), index=True
    )
    event: Mapped[str]
    payload: Mapped[dict[str, Any]]
    status_word: Mapped[str] = mapped_column(
        "status", default=DeliveryStatus.QUEUED.value, index=True
    )
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    sent_at: Mapped[datetime | None]
