"""What the log view asks: what is new, where a word occurs, what stands around a line.

Logs name sites and people, so they are for researchers and admins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role
from blossomtune_gradio.ui.guard import Guard

_TAIL_ONE, _TAIL_EACH = 400, 100  # newest lines at first, of the chosen source or of each
_FOUND = 300  # lines of a search
_LEVELS = {
    "warnings": frozenset(("WARNING", "ERROR", "CRITICAL")),
    "errors": frozenset(("ERROR", "CRITICAL")),
}


def log_readers(app: Application, guard: Guard) -> tuple[Callable[..., Any], ...]:
    """`tail`, `search` and `around` for the script of the log view; it may send anything."""

    @guard.server_function(Role.RESEARCHER)
    def tail(asked: object) -> dict[str, Any]:
        sources, source = app.logs.sources(), _field(asked, "source")
        page = app.logs.since(
            _cursor(asked),
            sources=[source] if source else None,
            tail=_TAIL_ONE if source else _TAIL_EACH,
        )
        lines = [line.to_json() for line in page.lines]
        return {"lines": lines, "cursor": page.cursor, "more": page.more, "sources": sources}

    @guard.server_function(Role.RESEARCHER)
    def search(asked: object) -> dict[str, Any]:
        source, text = _field(asked, "source"), _field(asked, "text")[:200]
        sources = [source] if source else app.logs.sources()
        found = [line for name in sources for line in app.logs.search(name, text, _FOUND)]
        levels = _LEVELS.get(_field(asked, "level"))
        found = [line for line in found if levels is None or line.level in levels]
        newest = sorted(found, key=lambda line: line.time)[-_FOUND:]
        return {"lines": [line.to_json() for line in newest]}

    @guard.server_function(Role.RESEARCHER)
    def around(asked: object) -> dict[str, Any]:
        offset = asked.get("offset") if isinstance(asked, Mapping) else None
        at = offset if type(offset) is int and offset >= 0 else 0
        found = app.logs.around(_field(asked, "source"), at, _FOUND)
        return {"lines": [line.to_json() for line in found]}

    return tail, search, around


def _field(asked: object, name: str) -> str:
    value = asked.get(name) if isinstance(asked, Mapping) else None
    return value if isinstance(value, str) else ""


def _cursor(asked: object) -> dict[str, int]:
    cursor = asked.get("cursor") if isinstance(asked, Mapping) else None
    if not isinstance(cursor, Mapping):
        return {}
    return {str(k): v for k, v in cursor.items() if type(v) is int and v >= 0}
