"""What pyproject.toml says about the settings: the remarks above and beside each key.

TOML parsers throw remarks away, and the one library that keeps them takes minutes for a hostile
file. So lines are looked at one by one, in time that grows with the length of the file. Limit: a
remark within a value of several lines is not found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomli

_PLACE = ("tool", "flwr", "app", "config")
_LONGEST_LINE = 500
_LONGEST = 300  # characters of one remark


def config_comments(text: str) -> dict[str, str]:
    """Remarks by key; nested tables as `table.key`. `text` is a valid pyproject.toml."""
    found: dict[str, str] = {}
    header: tuple[str, ...] = ()
    above: list[str] = []
    for line in map(str.strip, text.splitlines()):
        if line.startswith("#"):
            above.append(_words(line))
            continue
        if line.startswith("["):
            header = _path(line) or header
        elif line and _PLACE[: len(header)] == header[: len(_PLACE)]:
            path = (*header, *(_path(line) or ()))
            said = " ".join((*above, _beside(line))).strip()
            if said and path[: len(_PLACE)] == _PLACE:
                found[".".join(path[len(_PLACE) :])] = said[:_LONGEST]
        above = []
    return found


def _path(line: str) -> tuple[str, ...] | None:
    """The keys from the top that a header or a `key = value` names; None when it is neither."""
    if len(line) > _LONGEST_LINE:
        return None
    try:
        node: Any = tomli.loads(line)
    except (ValueError, RecursionError):
        return None
    path: list[str] = []
    while isinstance(node, Mapping) and len(node) == 1:
        key, node = next(iter(node.items()))
        path.append(key)
    return tuple(path) or None


def _beside(line: str) -> str:
    """What follows the first # that is not within a text."""
    if len(line) > _LONGEST_LINE:
        return ""
    for place, letter in enumerate(line):
        if letter == "#" and _path(line[:place]):
            return _words(line[place:])
    return ""


def _words(remark: str) -> str:
    return " ".join(remark.lstrip("#").split())
