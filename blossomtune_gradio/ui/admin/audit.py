"""The card that shows the audit trail: who did what, when, and whether the trail is whole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.services.audit.trail import AuditFilter
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.parts import part
from blossomtune_gradio.views.audit import ChainRow, EntryRow
from blossomtune_gradio.views.base import right_now

_PAGE = 12  # entries


def build_audit(app: Application, guard: Guard) -> None:
    """Draw the card into the current column."""

    @guard.server_function(Role.ADMIN)
    def audit(asked: object, user: User) -> dict[str, Any]:
        wanted = asked if isinstance(asked, Mapping) else {}
        page = app.audit.entries(user, _filter(wanted), before=_number(wanted), limit=_PAGE)
        verdict = app.audit.verify(user, afresh=wanted.get("afresh") is True)
        return {
            "rows": [EntryRow.of(entry).to_json() for entry in page.entries],
            "total": page.total,
            "before": page.before,
            "chain": ChainRow.of(verdict).to_json(),
            "now": right_now(),
        }

    part("audit_table", elem_id="audit-table", readers=(audit,))


def _filter(wanted: Mapping[str, object]) -> AuditFilter:
    until = _day(wanted, "until")
    return AuditFilter(
        actor=_text(wanted, "actor"),
        action=_text(wanted, "action"),
        target=_text(wanted, "target"),
        since=_day(wanted, "since"),
        until=until and until + timedelta(days=1),
    )


def _text(wanted: Mapping[str, object], name: str) -> str:
    value = wanted.get(name)
    return value.strip()[:100] if isinstance(value, str) else ""


def _day(wanted: Mapping[str, object], name: str) -> datetime | None:
    text = _text(wanted, name)
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidInput("This is no day. Write it like 2026-11-25.") from None


def _number(wanted: Mapping[str, object]) -> int | None:
    value = wanted.get("before")
    return value if type(value) is int and 0 < value < 2**53 else None
