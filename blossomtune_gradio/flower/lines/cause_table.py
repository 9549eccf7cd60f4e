"""The table of named causes, `causes.toml`, and how an exception is looked up in it. Pure.

A cause is named only by its exact form: the type and all of the words, and where that matters the
module that raised it and what the app's code asks for. Whatever fits no entry has no name.
"""

from __future__ import annotations

import builtins
import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import tomli

from blossomtune_gradio.flower.apps.package_names import package_of
from blossomtune_gradio.flower.apps.reads import AppReads
from blossomtune_gradio.flower.lines.raised import Raised

_FILE = Path(__file__).with_name("causes.toml")
_KIT_KEYS = ("partition-id", "num-partitions")
_LONGEST_WORD = 160  # characters of something that an app or a site said, in a sentence of ours
_LOG_PREFIX = re.compile(
    r"\S+T\S+Z [A-Z]+ \[[\w.]+\] |(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) *: *", re.ASCII
)
Words = Mapping[str, str]


@dataclass(frozen=True)
class NamedCause:
    """One entry that fits, with the words for its sentences."""

    code: str
    sentence: str
    advice: str
    words: Words


@dataclass(frozen=True)
class _Entry:
    code: str
    sentence: str
    advice: str
    said: re.Pattern[str]
    types: tuple[str, ...] = ()
    module: str = "*"
    at: str = ""
    when: str = ""
    programs: bool = False


def named(
    what: Raised, reads: AppReads, *, on_server: bool, by_program: bool = False
) -> NamedCause | None:
    """The first cause of the table that fits an exception, None when there is none.

    `by_program`: one of our own programs said it, and no app.
    """
    for entry in _table()[0]:
        if by_program and not entry.programs:
            continue
        if entry.at and (entry.at == "server") != on_server:
            continue
        if not _is_of(what.type, entry.types) or not fnmatchcase(what.module, entry.module):
            continue
        if hit := entry.said.fullmatch(what.message.strip()):
            words = _words(hit, reads)
            if not entry.when or _CONDITIONS[entry.when](words, reads):
                return NamedCause(entry.code, entry.sentence, entry.advice, words)
    return None


def named_line(line: str) -> NamedCause | None:
    """The same for a line of output of one of our own programs."""
    text = _LOG_PREFIX.sub("", line.strip(), count=1)
    for entry in _table()[1]:
        if entry.said.fullmatch(text):
            return NamedCause(entry.code, entry.sentence, entry.advice, {})
    return None


def codes() -> list[str]:
    """All codes of the table."""
    return sorted({entry.code for part in _table() for entry in part})


@cache
def _table() -> tuple[tuple[_Entry, ...], tuple[_Entry, ...]]:
    content = tomli.loads(_FILE.read_text("utf-8"))
    return tuple(_causes(content["cause"])), tuple(_programs(content["program"]))


def _causes(rows: list[dict[str, Any]]) -> Iterator[_Entry]:
    for row in rows:
        yield _Entry(
            row["code"],
            row["sentence"],
            row["advice"],
            re.compile(row["said"]),
            tuple(row["types"]),
            row.get("in", "*"),
            row.get("at", ""),
            row.get("when", ""),
            row.get("programs", False),
        )


def _programs(rows: list[dict[str, Any]]) -> Iterator[_Entry]:
    for row in rows:
        yield _Entry(row["code"], row["sentence"], row["advice"], re.compile(row["line"]))


def _is_of(name: str, types: tuple[str, ...]) -> bool:
    """A name without a module that is no builtin was shortened by whoever passed it on."""
    short = bool(name) and "." not in name and not hasattr(builtins, name)
    return any(
        fnmatchcase(name, one) or (short and fnmatchcase(name, one.rpartition(".")[2]))
        for one in types
    )


def _words(hit: re.Match[str], reads: AppReads) -> dict[str, str]:
    words = {key: _cut(value or "") for key, value in hit.groupdict().items()}
    if module := words.get("module"):
        package, install = package_of(module, reads.dependencies)
        words |= {
            "package": package,
            "install": f'pip install "{install}"',
            "top": module.partition(".")[0],
            "imported": "" if package == module else f" (imported as {module})",
        }
    if key := words.get("key"):
        near = difflib.get_close_matches(key.replace("_", "-"), _KIT_KEYS, 1, 0.8)
        words["kit_key"] = near[0] if near else ""
    return words


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_WORD else f"{text[: _LONGEST_WORD - 1]}…"


_CONDITIONS: dict[str, Callable[[Words, AppReads], bool]] = {
    "like a key of the kit": lambda words, reads: (
        words["key"] in reads.node_keys and bool(words["kit_key"])
    ),
    "a key that the app asks sites for": lambda words, reads: words["key"] in reads.node_keys,
    "a setting that the app does not have": lambda words, reads: (
        words["key"] in reads.run_keys - reads.settings
    ),
    "a module of the app": lambda words, reads: words["top"] in reads.modules,
}
