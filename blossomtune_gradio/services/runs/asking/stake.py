"""What a stop cuts off, as a question, so that nobody stops more than they meant to. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from blossomtune_gradio.store.models import Run, RunSite, RunStatus

_UNDER_WAY = (RunStatus.SUBMITTED, RunStatus.RUNNING)


def of_run(run: Run, sites: Sequence[RunSite]) -> str:
    """What is lost when this run is stopped now; "" when that is nothing."""
    if run.status not in _UNDER_WAY or run.stop_asked_by:
        return ""
    return f"This cuts it off: {_where(run, sites)}."


def of_superlink(runs: Sequence[tuple[Run, Sequence[RunSite]]]) -> str:
    """What is lost when the SuperLink is stopped now; "" when that is nothing."""
    cut = [f"{run.name} ({_where(run, sites)})" for run, sites in runs if of_run(run, sites)]
    return f"This ends what runs: {', '.join(cut)}." if cut else ""


def _where(run: Run, sites: Sequence[RunSite]) -> str:
    total = f" of {run.rounds}" if run.rounds else ""
    place = f"round {run.round}{total}" if run.round else "before its first round"
    busy = sum(bool(site.open_messages) for site in sites)
    return f"{place}, {busy} {'site' if busy == 1 else 'sites'} at work" if busy else place
