"""What the tables of the Admin page show, as plain JSON. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from blossomtune_gradio.store.models import Mail


def mail_row(mail: Mail) -> dict[str, Any]:
    """One mail of the outbox."""
    return {
        "id": mail.id,
        "status": mail.status_word,
        "recipient": mail.recipient,
        "subject": mail.subject,
        "body": mail.body,
        "created": iso(mail.created_at),
        "sent": iso(mail.sent_at),
        "tries": mail.tries,
        "error": mail.last_error,
        "next_try": iso(mail.next_try_at),
    }


def iso(moment: datetime | None) -> str | None:
    """UTC, or None."""
    return moment.isoformat(timespec="seconds") if moment else None


def right_now() -> str:
    """The server's clock: the browser's may be wrong."""
    return datetime.now(UTC).isoformat(timespec="seconds")
