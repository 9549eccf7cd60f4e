"""What commands print: a table for people, one JSON document for programs.

Whatever others wrote (names, log lines) is made harmless for the terminal first.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from blossomtune_gradio.plain_text import plain

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_WIDEST = 60  # characters of a cell


def show(arguments: argparse.Namespace, document: object, text: Iterable[str]) -> None:
    """The document with `--json`, else the lines of text."""
    if arguments.json:
        print(json.dumps(document, ensure_ascii=True))
        return
    for line in text:
        print(plain(line))


def table(rows: Sequence[Mapping[str, Any]], *columns: str, nothing: str) -> list[str]:
    """Lines with the columns of each row below each other; `nothing` when there is no row."""
    if not rows:
        return [nothing]
    cells = [[_cell(row.get(name)) for name in columns] for row in rows]
    heads = [name.replace("_", " ").upper() for name in columns]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in [heads, *cells]
    ]


def facts(row: Mapping[str, Any], *names: str) -> list[str]:
    """One line per name that has a value."""
    said = [(name, row.get(name)) for name in names]
    return [f"{name.replace('_', ' '):<13} {_cell(v, 4000)}" for name, v in said if v not in _NONE]


def _cell(value: object, widest: int = _WIDEST) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    text = plain("" if value is None else str(value))
    return text if len(text) <= widest else f"{text[: widest - 1]}…"


_NONE: tuple[object, ...] = (None, "", [], {})
