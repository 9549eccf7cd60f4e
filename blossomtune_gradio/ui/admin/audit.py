"""The card that shows the audit trail: who did what, when, and whether the trail is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.plain_text import plain
from blossomtune_gradio.services.audit.trail import AuditFilter, Verdict
from blossomtune_gradio.store.models import AuditEntry
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.parts import part
from blossomtune_gradio.ui.rows import iso, right_now

_PAGE = 12  # entries
_LONGEST = 300  # characters of what was before and after


def build_audit(app: Application, guard: Guard) -> None:
    """Draw the card into the current column."""

    @guard.server_function(Role.ADMIN)
    def audit(asked: object, user: User) -> dict[str, Any]:
        wanted = asked if isinstance(asked, Mapping) else {}
        page = app.audit.entries(user, _filter(wanted), before=_number(wanted), limit=_PAGE)
        verdict = app.audit.verify(user, afresh=wanted.get("afresh") is True)
        return {
            "rows": [_row(entry) for entry in page.entries],
            "total": page.total,
            "before": page.before,
            "chain": _chain(verdict),
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


def _row(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": iso(entry.at),
        "who": plain(entry.actor_name or entry.actor),
        "actor": plain(f"{entry.actor} from {entry.address}" if entry.address else entry.actor),
        "action": entry.action,
        "target": plain(entry.target_name or entry.target),
        "target_id": entry.target if entry.target_name else "",
        "change": _change(entry.before, entry.after),
    }


def _change(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What was and what is, in one line."""
    said = []
    for name in sorted({*before, *after}):
        old, new = _value(before.get(name)), _value(after.get(name))
        if new or old:
            said.append(f"{name}: {old} → {new}" if old and name in after else f"{name}: {new}")
    line = plain(", ".join(said))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _value(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _chain(verdict: Verdict) -> dict[str, Any]:
    return {
        "tone": "good" if verdict.good else "bad",
        "word": "unbroken" if verdict.good else "broken",
        "sentence": verdict.sentence,
        "entries": verdict.entries,
        "checked": iso(verdict.checked_at),
    }
