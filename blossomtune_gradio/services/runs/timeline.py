"""The timeline of a run: what happened to it, a sentence each, in the change's own transaction."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from blossomtune_gradio.store.models import RunEvent


def note(session: Session, run_id: int, kind: str, text: str, **data: object) -> RunEvent:
    """Add an entry. Kinds: queued, moved, submitted, running, waiting, enough, quorum, round,
    site, stop, end, changed."""
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
