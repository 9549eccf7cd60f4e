"""Rows of runs: how a new one gets its number and name, and by what others find it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from blossomtune_gradio.store.models import OUTSIDE, Option, Run

LAST_ID = "last run id"  # an option: the number of a deleted run is never given again


def called(runtime: str, flower_id: int) -> tuple[ColumnElement[bool], ...]:
    """Conditions for the run that a runtime knows by this number."""
    return Run.runtime == runtime, Run.flower_run_id == str(flower_id)


def add_row(session: Session, run: Run) -> None:
    """Give a run its number, its name if it has none, and the last place; flushes.

    Raises:
        IntegrityError: another run has the name or the key that was chosen for it.
    """
    option = session.get(Option, LAST_ID)
    newest = session.scalar(select(func.max(Run.id))) or 0
    run.id = max(newest, int(option.value) if option else 0) + 1
    if not run.name:
        run.name = f"{run.app} {run.id}"
        if run.created_by == OUTSIDE and session.scalar(select(Run.id).where(Run.name == run.name)):
            run.name = f"{run.name} ({run.flower_run_id})"
    run.position = (session.scalar(select(func.max(Run.position))) or 0) + 1
    session.add(run)
    session.flush()


def source_of(run_id: int) -> str:
    """The name of a run's log."""
    return f"run-{run_id}"
