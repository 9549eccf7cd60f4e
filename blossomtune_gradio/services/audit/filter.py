"""Which entries of the audit trail are wanted. Pure: it only adds conditions to a query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, String, cast, or_

from blossomtune_gradio.store.models import AuditEntry

Query = TypeVar("Query", bound=Select[Any])


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """All given conditions must hold; an empty one always does."""

    actor: str = ""  # a user's id, or part of the name
    action: str = ""  # "run." for everything about runs
    target: str = ""  # "participant:5", or part of the name
    since: datetime | None = None  # first moment
    until: datetime | None = None  # first moment that is too late
    text: str = ""  # anywhere in an entry

    def apply(self, query: Query) -> Query:
        """`query` with the conditions."""
        row = AuditEntry
        if self.actor:
            who = row.actor_name.contains(self.actor, autoescape=True)
            query = query.where(or_(row.actor == self.actor, who))
        if self.action:
            query = query.where(row.action.startswith(self.action, autoescape=True))
        if self.target:
            what = row.target_name.contains(self.target, autoescape=True)
            query = query.where(or_(row.target == self.target, what))
        if self.since is not None:
            query = query.where(row.at >= self.since)
        if self.until is not None:
            query = query.where(row.at < self.until)
        if self.text:
            query = query.where(or_(*(_has(column, self.text) for column in _SEARCHED)))
        return query


_SEARCHED = (
    AuditEntry.actor,
    AuditEntry.actor_name,
    AuditEntry.address,
    AuditEntry.action,
    AuditEntry.target,
    AuditEntry.target_name,
    cast(AuditEntry.before, String),
    cast(AuditEntry.after, String),
)


def _has(column: Any, text: str) -> Any:
    return column.contains(text, autoescape=True)
