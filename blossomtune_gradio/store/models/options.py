"""What an admin changes while the program runs."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from blossomtune_gradio.store.models.base import Base


class Option(Base):
    """What an admin changes while the program runs: partitions, whether the SuperLink is wanted."""

    __tablename__ = "options"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
