"""The audit trail as a file: JSON lines, which can be checked again, or CSV for a spreadsheet.

Both are streamed. Surprise: a cell that begins like a formula gets an apostrophe in front, because
spreadsheets run what somebody wrote as the name of a site.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias

from blossomtune_gradio.plain_text import plain
from blossomtune_gradio.store.models import AuditEntry

Format: TypeAlias = Literal["jsonl", "csv"]
MEDIA_TYPES: Mapping[Format, str] = {"jsonl": "application/jsonl", "csv": "text/csv"}
FIELDS = (
    "id",
    "at",
    "actor",
    "actor_name",
    "address",
    "action",
    "target",
    "target_name",
    "before",
    "after",
    "previous",
    "hash",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - some read these as well


def entry_facts(entry: AuditEntry) -> dict[str, Any]:
    """Everything an entry says, as JSON values; the time is ISO 8601 in UTC."""
    facts = {name: getattr(entry, name) for name in FIELDS}
    return {**facts, "at": entry.at.isoformat()}


def entry_of(facts: Mapping[str, Any]) -> AuditEntry:
    """The entry that was exported as `facts`. Raises KeyError, ValueError."""
    values = {name: facts[name] for name in FIELDS}
    return AuditEntry(**{**values, "at": datetime.fromisoformat(values["at"])})


def exported(entries: Iterable[AuditEntry], form: Format) -> Iterator[str]:
    """The file, piece by piece."""
    return _json_lines(entries) if form == "jsonl" else _csv(entries)


def cell(text: str) -> str:
    """`text` as a harmless cell: one line, no control characters, no formula."""
    quiet = plain(text.replace("\r", " ").replace("\n", " "))
    return f"'{quiet}" if quiet.lstrip().startswith(_FORMULA) else quiet


def _json_lines(entries: Iterable[AuditEntry]) -> Iterator[str]:
    for entry in entries:
        yield json.dumps(entry_facts(entry)) + "\n"  # ASCII only: nothing in it can act


def _csv(entries: Iterable[AuditEntry]) -> Iterator[str]:
    yield _row(FIELDS)
    for entry in entries:
        facts = entry_facts(entry)
        yield _row([cell(_text(facts[name])) for name in FIELDS])


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _row(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
