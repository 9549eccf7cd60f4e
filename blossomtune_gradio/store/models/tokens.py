"""Tokens with which programs use the REST interface."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from blossomtune_gradio.store.models.base import Base, now


class ApiToken(Base):
    """One token. The row stays after its end, so that the audit trail has somebody to name."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]  # what it is for
    token_hash: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]  # "admin", "researcher", "participant"
    created_by: Mapped[str]  # id of a user
    created_name: Mapped[str] = mapped_column(default="")  # the same person, for people
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]  # to the minute
    revoked_at: Mapped[datetime | None]
    acts_as = ""  # the role it has at this moment, as its maker has it; filled in by the service
