"""What all views share: how a field is read off its row, how moments, tones and facts are told.

A view names each field once and takes the attribute of the same name; `From` says where else a
value comes from, and a field with a default that is not marked is told by whoever makes the view.
So a new column that people should see is one line in one view. Surprise: a page gets moments to the
second, REST keeps their microseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeAlias, TypeVar

from pydantic import BaseModel, PlainSerializer

Tone: TypeAlias = Literal["good", "live", "busy", "bad", "off"]
"""good; live (at work, all is well); busy (somebody should look); bad; off."""
Unit: TypeAlias = Literal["text", "moment", "seconds", "bytes"]
_Mark = TypeVar("_Mark")


class Word(NamedTuple):
    """What people read of a state, and its tone."""

    text: str
    tone: Tone


def iso(moment: datetime | None) -> str | None:
    """To the second, or None."""
    return moment.isoformat(timespec="seconds") if moment else None


def span(seconds: int) -> str:
    """ "90 s" as people say it: "1 min 30 s"."""
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def right_now() -> str:
    """The server's clock: the browser's may be wrong."""
    return datetime.now(UTC).isoformat(timespec="seconds")


Moment: TypeAlias = Annotated[datetime | None, PlainSerializer(iso)]


@dataclass(frozen=True)
class From:
    """Marks a field that is not the attribute of its own name."""

    how: str | Callable[[Any], object]  # "status.is_end", or what makes the value of the row

    def read(self, row: object) -> object:
        """The value in this row."""
        return attrgetter(self.how)(row) if isinstance(self.how, str) else self.how(row)


@dataclass(frozen=True)
class Fact:
    """Marks a field that a page lists among the facts, under a label, written by its unit."""

    label: str
    unit: Unit = "text"


class View(BaseModel):
    """A thing as it looks from outside."""

    @classmethod
    def of(cls, row: object, /, **known: object) -> Self:
        """The view of a row; `known` are the fields that the row does not tell."""
        read = {name: how.read(row) for name, how in _sources(cls) if name not in known}
        return cls(**read, **known)

    def to_json(self) -> dict[str, Any]:
        """For a script of ours."""
        return self.model_dump()


def facts(view: View) -> list[dict[str, Any]]:
    """The marked fields that have a value: label, value, unit; moments are ISO texts in UTC."""
    told = ((fact, getattr(view, name)) for name, fact in _facts(type(view)))
    return [
        fact_of(fact.label, value, fact.unit) for fact, value in told if value not in (None, "")
    ]


def fact_of(label: str, value: object, unit: Unit = "text") -> dict[str, Any]:
    """One line of a list of facts."""
    shown = iso(value) if isinstance(value, datetime) else value
    return {"label": label, "value": shown, "unit": unit}


@cache
def _sources(view: type[View]) -> tuple[tuple[str, From], ...]:
    found = []
    for name, field in view.model_fields.items():
        mark = _marked(field.metadata, From)
        if mark or field.is_required():
            found.append((name, mark or From(name)))
    return tuple(found)


@cache
def _facts(view: type[View]) -> tuple[tuple[str, Fact], ...]:
    fields = view.model_fields.items()
    marked = ((name, _marked(field.metadata, Fact)) for name, field in fields)
    return tuple((name, fact) for name, fact in marked if fact)


def _marked(marks: list[Any], kind: type[_Mark]) -> _Mark | None:
    return next((mark for mark in marks if isinstance(mark, kind)), None)
