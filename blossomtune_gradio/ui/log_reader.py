"""The two questions the log view asks: what is new, and where does this word occur.

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


def log_readers(app: Application, guard: Guard) -> tuple[Callable[..., Any], ...]:
    """`tail` and `search` for the script of the log view. What it sends may be anything."""

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
        newest = sorted(found, key=lambda line: line.time)[-_FOUND:]
        return {"lines": [line.to_json() for line in newest]}

    return tail, search


def _field(asked: object, name: str) -> str:
    value = asked.get(name) if isinstance(asked, Mapping) else None
    return value if isinstance(value, str) else ""


def _cursor(asked: object) -> dict[str, int]:
    cursor = asked.get("cursor") if isinstance(asked, Mapping) else None
    if not isinstance(cursor, Mapping):
        return {}
    return {str(k): v for k, v in cursor.items() if type(v) is int and v >= 0}
