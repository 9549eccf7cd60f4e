"""Why a run does not move: one card, made from what is known at this moment. Pure.

A card has a code (`slot`, `sites`, `answers`, or that of what the runtime lacks), a sentence, the
sites it is about and, where there is one, the deadline and what happens then. Surprise: sites that
train are waited for in every healthy round, so that card is calm (`late` is False) until it takes
much longer than before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from blossomtune_gradio.services.runs.limits import GO_ON
from blossomtune_gradio.services.runtimes.runtime import Lack
from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.services.sites.service import Site
from blossomtune_gradio.store.models import Run, RunSite, now

SLOT, SITES, ANSWERS = "slot", "sites", "answers"
_FIRST_PATIENCE = 600.0  # seconds before answers are late while no round of the run tells more
_LEAST_PATIENCE = 60.0  # seconds in which nothing is late
_LATE = 2  # times what the longest round of the run took


class Work(StrEnum):
    """What a site does that was asked and has not answered."""

    AT_WORK = "at work"
    SILENT = "has not answered"


@dataclass(frozen=True, kw_only=True)
class WaitedFor:
    """A site that a run waits for."""

    name: str
    state: Presence | Work
    since: datetime | None  # the last sign of life; of one at work: when it was asked
    failed: str = ""  # names of its checks that failed


@dataclass(frozen=True, kw_only=True)
class Wait:
    """What a run waits for."""

    code: str
    sentence: str
    short: str = ""  # the sentence without the names, for beside the sites
    sites: tuple[WaitedFor, ...] = ()
    deadline: datetime | None = None
    then: str = ""  # what happens at the deadline
    late: bool = True  # False: it takes its time, and nobody need look at it

    def without_checks(self) -> Wait:
        """For everybody but admins: only to them a site tells what its checks found."""
        return replace(self, sites=tuple(replace(one, failed="") for one in self.sites))


def for_runtime(run: Run, lack: Lack) -> Wait:
    """Nothing goes on without it."""
    which = "." if run.flower_run_id is None else ", which is not running."
    return Wait(code=lack.code, sentence=f"Waits for {lack.what}{which} {lack.advice}")


def for_slot(active: Sequence[Run], ahead: int, slots: int) -> Wait:
    """All slots are taken; `ahead` runs are in the queue before this one."""
    names = ", ".join(run.name for run in active)
    before = f" {ahead} more before it in the queue." if ahead else ""
    which = "" if slots == 1 else f" ({slots} run at a time)"
    return Wait(code=SLOT, sentence=f"Waits for {names} to end{which}.{before}")


def for_sites(run: Run, required: int, sites: Sequence[Site], connected: int | None) -> Wait:
    """Too few are online. `connected` is Flower's own count, None: count them here."""
    online = [site for site in sites if site.presence is Presence.ONLINE]
    absent = [site for site in sites if site.presence is not Presence.ONLINE]
    count = len(online) if connected is None else connected
    lack = f"Needs {required} sites, {count} online." if required else "No site is online."
    names = ", ".join(f"{site.name} ({site.seen})" for site in absent)
    missing = f"Missing: {names}." if names else "No other site is approved."
    do = "Start the missing SuperNode(s)" if absent else "Approve more sites"
    deadline, then = _quorum(run)
    return Wait(
        code=SITES,
        sentence=f"{lack} {missing} {do}, or stop the run.",
        short=f"{lack} {do}, or stop the run." if absent else "",
        sites=tuple(_absent(site) for site in absent),
        deadline=deadline,
        then=then,
    )


def for_answers(run: Run, rows: Sequence[RunSite], longest_round: float = 0) -> Wait | None:
    """Sites that were asked in this round and have not answered; None when there is none.

    `longest_round` is what the longest round of this run took, in seconds; 0 while none is over.
    """
    silent = [row for row in rows if row.open_messages and row.open_since]
    oldest = min((row.open_since for row in silent if row.open_since), default=None)
    if oldest is None:
        return None
    late = (now() - oldest).total_seconds() > _patience(run, longest_round)
    names = ", ".join(f"{row.name} (asked {_span(row.open_since)} ago)" for row in silent)
    began = f"Round {run.round}: " if run.round else ""
    short = f"{len(rows) - len(silent)} of {len(rows)} sites have answered"
    return Wait(
        code=ANSWERS,
        sentence=f"{began}{short}. Not yet: {names}.",
        short=short if not late else f"{began}{short}.",
        sites=tuple(
            WaitedFor(
                name=row.name, state=Work.SILENT if late else Work.AT_WORK, since=row.open_since
            )
            for row in silent
        ),
        deadline=round_deadline(run, oldest),
        then="the run is stopped" if run.round_seconds else "",
        late=late,
    )


def _patience(run: Run, longest_round: float) -> float:
    """Seconds a site may be at work before it is late."""
    seconds = max(_LEAST_PATIENCE, _LATE * longest_round) if longest_round else _FIRST_PATIENCE
    return min(seconds, run.round_seconds / 2) if run.round_seconds else seconds


def round_deadline(run: Run, asked: datetime | None = None) -> datetime | None:
    """When the round has to be over; None without a limit or before the first round."""
    began = run.round_began_at or asked
    if not run.round_seconds or began is None:
        return None
    return began + timedelta(seconds=run.round_seconds)


def quorum_deadline(run: Run) -> datetime | None:
    """When a run that waits for sites has waited long enough."""
    if not run.quorum_seconds or run.waiting_since is None:
        return None
    return run.waiting_since + timedelta(seconds=run.quorum_seconds)


def _quorum(run: Run) -> tuple[datetime | None, str]:
    deadline = quorum_deadline(run)
    if deadline is None:
        return None, ""
    if run.on_quorum == GO_ON:
        return deadline, "it goes on with those who are there"
    return deadline, "the run is stopped"


def _absent(site: Site) -> WaitedFor:
    failed = ", ".join(site.failed)
    return WaitedFor(name=site.name, state=site.presence, since=site.last_seen, failed=failed)


def _span(moment: datetime | None) -> str:
    count = int((now() - moment).total_seconds()) if moment else 0
    return f"{count} s" if count < 120 else f"{count // 60} min"
