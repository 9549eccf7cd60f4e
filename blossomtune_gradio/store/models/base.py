"""What all tables share: the root, times in UTC, the check of a move, and what they can hold.

Whatever text or number comes from a site, an app or a person: no table refuses it, and what comes
out of one can be sent as UTF-8 and JSON. `kept` is the one door for that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import JSON, BigInteger, DateTime, Integer, MetaData, String, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase

from blossomtune_gradio.errors import NotPossible

_UNSENDABLE = re.compile(r"[\x00\ud800-\udfff]")
_MOST = 2**63 - 1
Word = TypeVar("Word", bound=StrEnum)


def moved(what: str, old: Word, new: Word, table: Mapping[Word, set[Word]]) -> Word:
    """`new`, if the table allows that move; else `NotPossible`."""
    if new not in table[old]:
        raise NotPossible(f"{what} is {old} and cannot become {new}. Reload to see what changed.")
    return new


def kept(value: Any) -> Any:
    """A value, or all of a JSON value, as the tables keep it.

    Half characters (`\\ud800`) and NUL are written out, numbers are cut to 64 bits, and what JSON
    has no number for becomes a text ("nan", "inf"). Who computes something over what will be stored
    does it over this.
    """
    match value:
        case str():
            return _UNSENDABLE.sub(lambda hit: f"\\u{ord(hit[0]):04x}", value)
        case bool() | None:
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case int():
            return min(max(value, -_MOST), _MOST)
        case Mapping():
            return {kept(key): kept(inner) for key, inner in value.items()}
        case list() | tuple():
            return [kept(inner) for inner in value]
    return value


class Text(TypeDecorator[str]):
    """Any text."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return kept(value)


class Number(TypeDecorator[int]):
    """Any whole number. Asked for one of more than 64 bits, a table has none."""

    impl: Any = Integer
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return kept(value)


class Large(Number):
    """The same, where more than 32 bits are to be expected."""

    impl = BigInteger
    cache_ok = True


class Json(TypeDecorator[Any]):
    """Any JSON value."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        return kept(value)


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
        dict[str, Any]: Json,
        list[str]: Json,
        str: Text,
        int: Number,
    }
