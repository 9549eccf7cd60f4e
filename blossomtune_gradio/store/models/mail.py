"""Mails on their way out."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Mapped, mapped_column

from blossomtune_gradio.store.models.base import Base, now


class MailStatus(StrEnum):
    """Where a mail stands."""

    QUEUED = "queued"  # never tried, or waiting for a mail server to be set up
    SENDING = "sending"  # with the server now, or when we died
    SENT = "sent"
    FAILED = "failed"  # tried, not taken; again at `next_try_at`, or given up if that is empty
    UNKNOWN = "unknown"  # the server had all of it and did not say whether it took it
    DROPPED = "dropped"  # a code that is of no use any more; `last_error` says why


class Mail(Base):
    """A mail that waits, was sent, or could not be sent yet."""

    __tablename__ = "mails"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(default="")  # which template: "code", "approved", ...
    recipient: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]  # plain text
    html: Mapped[str] = mapped_column(default="")
    status_word: Mapped[str] = mapped_column("status", default=MailStatus.QUEUED.value, index=True)
    tries: Mapped[int] = mapped_column(default=0)
    unsure_tries: Mapped[int] = mapped_column(default=0)  # of them, without a yes or no
    next_try_at: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]  # a code is not sent later than that
    last_error: Mapped[str] = mapped_column(default="")
    sent_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
