"""The timeline of a run: what happened to it, a sentence each, in the change's own transaction."""

from __future__ import annotations

from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.orm import Session

from blossomtune_gradio.store.models import RunEvent

_ROUNDS = 20  # the newest ones tell how long a round takes


def note(session: Session, run_id: int, kind: str, text: str, **data: object) -> RunEvent:
    """Add an entry. Kinds: queued, moved, submitted, running, waiting, enough, quorum, round,
    metrics, site, stop, end, changed."""
    event = RunEvent(run_id=run_id, kind=kind, text=text, data=data)
    session.add(event)
    return event


def events(session: Session, run_id: int, after: int = 0, limit: int = 1000) -> list[RunEvent]:
    """The newest `limit` entries with a number above `after`, oldest first."""
    query = (
        select(RunEvent)
        .where(RunEvent.run_id == run_id, RunEvent.id > after)
        .order_by(RunEvent.id.desc())
        .limit(limit)
    )
    return list(session.scalars(query))[::-1]


def longest_round(session: Session, run_id: int) -> float:
    """Seconds that the longest of the newest rounds took; 0 while none is over."""
    query = (
        select(RunEvent.at)
        .where(RunEvent.run_id == run_id, RunEvent.kind == "round")
        .order_by(RunEvent.id.desc())
        .limit(_ROUNDS + 1)
    )
    began = list(session.scalars(query))[::-1]
    return max(((b - a).total_seconds() for a, b in pairwise(began)), default=0.0)
