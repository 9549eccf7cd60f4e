"""What all tables share: the root, times in UTC, and the check of a move."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import JSON, DateTime, MetaData, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase

from blossomtune_gradio.errors import NotPossible

Word = TypeVar("Word", bound=StrEnum)


def moved(what: str, old: Word, new: Word, table: Mapping[Word, set[Word]]) -> Word:
    """`new`, if the table allows that move; else `NotPossible`."""
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
        list[str]: JSON,
    }
