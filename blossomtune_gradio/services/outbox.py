"""Mails that wait to be read or sent.

Services put a mail into the same transaction as the change it tells of. Without a mail server the
mails stay here and an admin reads them on the page, so nothing is lost.
"""

from __future__ import annotations

from sqlalchemy import select

from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import Mail


class Outbox:
    """Read access to the waiting mails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, by: User, limit: int = 50) -> list[Mail]:
        """The newest mails first."""
        require(by, Role.ADMIN, "read the outbox")
        with self._database.read() as session:
            return list(session.scalars(select(Mail).order_by(Mail.id.desc()).limit(limit)))
