"""Mails that wait to be read or sent.

Services put a mail into the same transaction as the change it tells of. Without a mail server the
mails stay here and an admin reads them on the page, so nothing is lost.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import Mail


class Outbox:
    """Takes mails in and shows them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, session: Session, kind: str, recipient: str, **words: object) -> Mail:
        """Queue a mail of a kind ("code", "approved", …) in the caller's transaction."""
        subject = f"{kind}: {words.get('site', '')}"
        body = "\n".join(f"{name}: {value}" for name, value in words.items())
        mail = Mail(kind=kind, recipient=recipient, subject=subject, body=body)
        session.add(mail)
        return mail

    def newest(self, by: User, limit: int = 50) -> list[Mail]:
        """The newest mails first."""
        require(by, Role.ADMIN, "read the outbox")
        with self._database.read() as session:
            return list(session.scalars(select(Mail).order_by(Mail.id.desc()).limit(limit)))
