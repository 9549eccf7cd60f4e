"""Deadlines of a run: how long it may wait for sites, and how long a round may take.

`for_waiting` and `for_round` look at the row and say what has to happen now; the caller does it.
Going on with fewer sites is only possible before a site was asked for anything, and only where the
app has a setting for the number of sites it waits for: a ServerApp cannot be told anything once it
runs, so it is stopped and submitted again with the smaller number. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from blossomtune_gradio.services.runs.judging.end import Cause, StopWish
from blossomtune_gradio.services.runs.limits import GO_ON, site_keys
from blossomtune_gradio.services.runs.watching.waiting import quorum_deadline, round_deadline
from blossomtune_gradio.store.models import Run, RunSite, now

US = "BlossomTune"


@dataclass(frozen=True)
class GoOn:
    """Go on with so many sites."""

    sites: int


def for_waiting(
    run: Run, online: int, why: str, *, has_begun: bool = False
) -> StopWish | GoOn | None:
    """What becomes of a run that waits for sites; None: it may wait on.

    `has_begun` once a site was asked for anything.
    """
    deadline = quorum_deadline(run)
    if deadline is None or now() < deadline:
        return None
    sentence = f"Too few sites for {run.quorum_seconds} s. {why}"
    if run.on_quorum == GO_ON:
        obstacle = _obstacle(run, online, has_begun)
        if not obstacle:
            return GoOn(online)
        sentence = f"{sentence} It could not go on with those who were there: {obstacle}"
    return StopWish(US, Cause.QUORUM, sentence)


def for_round(run: Run, rows: Sequence[RunSite]) -> StopWish | None:
    """The end of a run whose round takes too long, with the names of who has not answered."""
    silent = [row for row in rows if row.open_messages]
    asked = min((row.open_since for row in silent if row.open_since), default=None)
    deadline = round_deadline(run, asked)
    if deadline is None or now() < deadline:
        return None
    names = ", ".join(row.name for row in silent)
    who = f" Not answered: {names}." if names else " All sites had answered."
    which = f"Round {run.round}" if run.round else "A round"
    sentence = f"{which} took longer than {run.round_seconds} s.{who}"
    return StopWish(US, Cause.ROUND_TIMEOUT, sentence)


def _obstacle(run: Run, online: int, has_begun: bool) -> str:
    if has_begun:
        return "a run cannot change its number of sites once sites have begun to work."
    if not online:
        return "nobody was."
    if run.flower_run_id is not None and not site_keys(run.config):
        return "the app has no setting such as min-sites for the number of sites it waits for."
    return ""
