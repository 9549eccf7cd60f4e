"""Who did what, when, from where: written in the transaction of the change itself.

Each entry carries the hash of the one before, so a changed, missing or reordered one is found.
Surprise: `record` needs the session of a *write*: on SQLite that holds the write lock, so two
entries never claim the same predecessor.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from blossomtune_gradio.identity import User
from blossomtune_gradio.store.models import AuditEntry, now

BEGINNING = "0" * 64  # what the first entry names as its predecessor
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def record(
    session: Session,
    by: User,
    action: str,
    target: str,
    *,
    target_name: str = "",
    before: Mapping[str, Any] = _NOTHING,
    after: Mapping[str, Any] = _NOTHING,
) -> AuditEntry:
    """Add an entry. `action` is "thing.verb", `target` "thing:id"; before and after are JSON."""
    newest = session.execute(
        select(AuditEntry.id, AuditEntry.hash).order_by(AuditEntry.id.desc()).limit(1)
    ).first()
    number, previous = (newest[0] + 1, newest[1]) if newest else (1, BEGINNING)
    entry = AuditEntry(
        id=number,
        at=now(),
        actor=by.id,
        actor_name=by.name,
        address=by.address,
        action=action,
        target=target,
        target_name=target_name,
        before=dict(before),
        after=dict(after),
        previous=previous,
    )
    entry.hash = fingerprint(entry)
    session.add(entry)
    session.flush()
    return entry


def fingerprint(entry: AuditEntry) -> str:
    """SHA-256 over everything an entry says, its number and predecessor included."""
    said = [
        entry.id,
        entry.at.isoformat(),
        entry.actor,
        entry.actor_name,
        entry.address,
        entry.action,
        entry.target,
        entry.target_name,
        entry.before,
        entry.after,
        entry.previous,
    ]
    text = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
