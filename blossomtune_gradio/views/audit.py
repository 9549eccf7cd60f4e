"""What an entry of the audit trail looks like from outside, and whether the trail is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from blossomtune_gradio.plain_text import plain
from blossomtune_gradio.store.models import AuditEntry
from blossomtune_gradio.views.base import From, Moment, Tone, View

_LONGEST = 300  # characters of what was before and after
_DEEDS = {  # as the history of one participant tells them
    "participant.request": "asked for access",
    "participant.resend": "had the code mailed again",
    "participant.confirm": "proved the e-mail address",
    "participant.approve": "approved",
    "participant.deny": "denied",
    "participant.revoke": "revoked",
    "participant.withdraw": "withdrew",
    "participant.note": "changed the note",
    "site.register": "registered the key with Flower",
    "site.unregister": "cut the site off",
    "site.refuse": "was refused the key by Flower",
    "site.lost": "lost sight of the site",
    "site.forgery": "refused a forged reply of the site",
    "site.back": "saw the site come back",
}
_DETAILS = {
    "partition": "partition {}",
    "reason": "“{}”",
    "note": "“{}”",
    "node": "node {}",
    "last_seen": "last seen {}",
}


class EntryView(View):
    """One entry of the audit trail."""

    id: int
    at: datetime
    actor: str
    actor_name: str
    address: str
    action: str
    target: str
    target_name: str
    before: dict[str, Any]
    after: dict[str, Any]
    previous: str
    hash: str


class EntryList(View):
    entries: Annotated[
        list[EntryView], From(lambda page: [EntryView.of(one) for one in page.entries])
    ]
    total: int
    before: int | None


class VerdictView(View):
    good: bool
    entries: int
    sentence: str
    entry: int | None = Field(description="Number of the first bad entry")
    checked_at: datetime


class EntryRow(View):
    """One entry in the table of the admins."""

    id: int
    at: Moment
    who: Annotated[str, From(lambda entry: plain(entry.actor_name or entry.actor))]
    actor: Annotated[str, From(lambda entry: plain(_actor(entry)))]
    action: str
    target: Annotated[str, From(lambda entry: plain(entry.target_name or entry.target))]
    target_id: Annotated[str, From(lambda entry: entry.target if entry.target_name else "")]
    change: Annotated[str, From(lambda entry: _change(entry.before, entry.after))]


class ChainRow(View):
    """The card's word on the whole trail."""

    tone: Annotated[Tone, From(lambda verdict: "good" if verdict.good else "bad")]
    word: Annotated[
        Literal["unbroken", "broken"],
        From(lambda verdict: "unbroken" if verdict.good else "broken"),
    ]
    sentence: str
    entries: int
    checked: Annotated[Moment, From("checked_at")]


class HistoryRow(View):
    """One entry in the history of a participant."""

    at: Moment
    who: Annotated[str, From(lambda entry: entry.actor_name or entry.actor)]
    what: Annotated[str, From(lambda entry: _DEEDS.get(entry.action, entry.action))]
    detail: Annotated[str, From(lambda entry: _detail(entry.after))]
    address: str


def _actor(entry: AuditEntry) -> str:
    return f"{entry.actor} from {entry.address}" if entry.address else entry.actor


def _change(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What was and what is, in one line."""
    changes = []
    for name in sorted({*before, *after}):
        old, new = _value(before.get(name)), _value(after.get(name))
        if new or old:
            changes.append(f"{name}: {old} → {new}" if old and name in after else f"{name}: {new}")
    line = plain(", ".join(changes))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _value(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _detail(after: Mapping[str, Any]) -> str:
    return ", ".join(
        words.format(after[name])
        for name, words in _DETAILS.items()
        if after.get(name) not in (None, "")
    )
