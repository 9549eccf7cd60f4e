"""Who did what, when, from where: a chain of entries, each carrying the hash of the one before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from blossomtune_gradio.store.models.base import Base, now


class AuditEntry(Base):
    """One move. Rows are only ever added."""

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(primary_key=True)  # 1, 2, 3 … without a gap
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    actor: Mapped[str] = mapped_column(index=True)  # id of a user
    actor_name: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")  # where the request came from
    action: Mapped[str] = mapped_column(index=True)  # "participant.approve"
    target: Mapped[str] = mapped_column(index=True)  # "participant:5"
    target_name: Mapped[str] = mapped_column(default="")
    before: Mapped[dict[str, Any]] = mapped_column(default=dict)
    after: Mapped[dict[str, Any]] = mapped_column(default=dict)
    previous: Mapped[str]  # hash of the entry before
    hash: Mapped[str] = mapped_column(unique=True)
