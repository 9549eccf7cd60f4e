"""What is going on, as one small JSON object that every viewer of the Live page polls.

It is made at most once a second, however many people look, and cut down to what each may see:
strangers read how far a run is and how many sites are there, but no name; a participant reads their
own site beside that. Surprise: colours are not decided in the page; each thing carries a `tone`:
good, live (at work, all is well), busy (somebody should look), bad or off.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import Any

from blossomtune_gradio.identity import SYSTEM, Role, User
from blossomtune_gradio.processes import State, Status
from blossomtune_gradio.services.runs.asking.service import RunService
from blossomtune_gradio.services.runs.judging.end import Cause
from blossomtune_gradio.services.runs.metrics import MetricService
from blossomtune_gradio.services.runs.watching.waiting import ANSWERS
from blossomtune_gradio.services.runtimes.known import Runtimes
from blossomtune_gradio.services.sites.service import Site, SiteService
from blossomtune_gradio.store.models import DEPLOYED, Run, RunStatus

_TONES = {
    State.RUNNING: "good",
    State.STARTING: "busy",
    State.STOPPING: "busy",
    State.BACKING_OFF: "bad",
    State.FAILED: "bad",
    State.EXITED: "bad",
    State.STOPPED: "off",
}
RUN_TONES = {
    RunStatus.QUEUED: "off",
    RunStatus.SUBMITTED: "live",
    RunStatus.RUNNING: "live",
    RunStatus.COMPLETED: "good",
    RunStatus.FAILED: "bad",
    RunStatus.LOST: "bad",
    RunStatus.STOPPED: "off",
}

_PRESENCE = {  # Flower's word: (ours, tone)
    "online": ("online", "good"),
    "offline": ("offline", "bad"),
    "registered": ("never seen", "off"),
    "no key": ("kit not used yet", "off"),
    "unknown": ("unknown: SuperLink is not running", "off"),
}
_FRESH = 0.9  # seconds


def run_tone(run: Run) -> str:
    """The colour of its state; a run in which nothing was done is no plain success."""
    return "busy" if run.cause_code == Cause.NOTHING_DONE else RUN_TONES[run.status]


class Overview:
    """One look at everything, shared by all viewers."""

    def __init__(
        self,
        runtimes: Runtimes,
        sites: SiteService,
        runs: RunService,
        metrics: MetricService,
    ) -> None:
        self._runtimes, self._sites = runtimes, sites
        self._runs, self._metrics = runs, metrics
        self._lock = threading.Lock()
        self._made_at, self._made = 0.0, dict[str, Any]()
        self._sites_seen: list[Site] = []

    def snapshot(self, by: User) -> dict[str, Any]:
        """Lamps, sites, the active or newest run, and trouble; times are ISO strings in UTC.

        `sites` has those the user may see, `approved` and `online` count all.
        """
        with self._lock:
            if time.monotonic() - self._made_at > _FRESH:
                self._sites_seen = self._sites.sites(SYSTEM)
                self._made = self._look(self._sites_seen)
                self._made_at = time.monotonic()
            made, sites = self._made, self._sites_seen
        if by.role >= Role.RESEARCHER:
            return made
        own = [_site(site) for site in sites if site.user_id == by.id]
        return _for_participant(made, own) if by.role else _for_stranger(made)

    def _look(self, sites: list[Site]) -> dict[str, Any]:
        newest = self._runs.list(SYSTEM, limit=1)
        queue, active = self._runs.queue(SYSTEM), self._runs.active(SYSTEM)
        shown = next(iter([*active, *queue, *newest]), None)
        return {
            "lamps": [
                _lamp(program.title, program.status)
                for runtime in self._runtimes
                for program in runtime.programs()
            ],
            "sites": [_site(site) for site in sites],
            "approved": len(sites),
            "online": sum(site.presence == "online" for site in sites),
            "run": self._run(shown) if shown else None,
            "queued": len(queue),
            "trouble": self._sites.trouble,
            "running": self._runtimes.of(DEPLOYED).lack() is None,
        }

    def _run(self, run: Run) -> dict[str, Any]:
        why, wait = self._runs.why(run, SYSTEM), self._runs.wait(run, SYSTEM)
        tone = run_tone(run)
        return {
            "id": run.id,
            "name": run.name,
            "app": run.app,
            "status": run.status.value,
            "tone": "busy" if why and not run.status.is_end else tone,
            "round": run.round,
            "rounds": run.rounds,
            "why": why,
            "answers": wait.short if wait and wait.code == ANSWERS and not wait.late else "",
            "started": _iso(run.started_at),
            "ended": _iso(run.ended_at),
            "points": self._metrics.count(run.id),
        }


def _for_participant(made: dict[str, Any], own: list[dict[str, Any]]) -> dict[str, Any]:
    """Without what names others: reasons, troubles and causes do."""
    lamps = [{**lamp, "reason": ""} for lamp in made["lamps"]]
    run = made["run"] and {**made["run"], "why": ""}
    return {**made, "lamps": lamps, "sites": own, "run": run, "trouble": ""}


def _for_stranger(made: dict[str, Any]) -> dict[str, Any]:
    """Numbers and states only; the name of a run is free text, so it is the app's here."""
    public = _for_participant(made, [])
    run = public["run"]
    if run:
        public["run"] = {**run, "name": run["app"], "id": 0, "points": 0}
    return public


def _lamp(name: str, status: Status) -> dict[str, Any]:
    return {
        "name": name,
        "state": status.state.value,
        "tone": _TONES[status.state],
        "since": _iso(status.since),
        "reason": status.reason,
    }


def _site(site: Site) -> dict[str, Any]:
    words, tone = _PRESENCE.get(site.presence, (site.presence, "off"))
    return {
        "name": site.name,
        "partition": site.partition_id,
        "presence": words,
        "tone": tone,
        "last_seen": _iso(site.last_seen),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
