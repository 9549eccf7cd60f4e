"""What is going on, as one small snapshot that every viewer of the Live page polls.

It is made at most once a second, however many people look, and cut down to what each may see:
strangers read how far a run is and how many sites are there, but no name; a participant reads their
own site beside that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from blossomtune_gradio.identity import SYSTEM, Role, User
from blossomtune_gradio.services.runs.asking.service import RunService
from blossomtune_gradio.services.runs.metrics import MetricService
from blossomtune_gradio.services.runs.watching.waiting import ANSWERS
from blossomtune_gradio.services.runtimes.known import Runtimes
from blossomtune_gradio.services.runtimes.runtime import RunProgram
from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.services.sites.service import Site, SiteService
from blossomtune_gradio.store.models import DEPLOYED, Run, RunStatus

_FRESH = 0.9  # seconds


@dataclass(frozen=True, kw_only=True)
class RunNow:
    """The run that people look at."""

    id: int  # 0 for who may not open it
    name: str
    app: str
    status: RunStatus
    cause_code: str
    round: int
    rounds: int
    why: str
    held_up: bool  # something else must happen first; told to everybody, unlike `why`
    answers: str  # how many sites have answered, while that takes its usual time
    started_at: datetime | None
    ended_at: datetime | None
    points: int  # of its charts


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Programs, sites, the active or newest run, and trouble.

    `sites` has those the user may see, `approved` and `online` count all.
    """

    programs: tuple[RunProgram, ...]
    sites: tuple[Site, ...]
    approved: int
    online: int
    run: RunNow | None
    queued: int
    trouble: str
    running: bool

    def for_participant(self, user_id: str) -> Snapshot:
        """Without what names others: reasons, troubles and causes do."""
        return replace(
            self,
            programs=tuple(
                replace(one, status=replace(one.status, reason="")) for one in self.programs
            ),
            sites=tuple(site for site in self.sites if site.user_id == user_id),
            run=replace(self.run, why="") if self.run else None,
            trouble="",
        )

    def for_stranger(self) -> Snapshot:
        """Numbers and states only; the name of a run is free text, so it is the app's here."""
        seen = replace(self.for_participant(""), sites=())
        run = seen.run
        return replace(seen, run=replace(run, name=run.app, id=0, points=0) if run else None)


_NOTHING = Snapshot(
    programs=(), sites=(), approved=0, online=0, run=None, queued=0, trouble="", running=False
)


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
        self._made_at, self._made = 0.0, _NOTHING

    def snapshot(self, by: User) -> Snapshot:
        """What this user may see of it."""
        with self._lock:
            if time.monotonic() - self._made_at > _FRESH:
                self._made = self._look(self._sites.sites(SYSTEM))
                self._made_at = time.monotonic()
            made = self._made
        if by.role >= Role.RESEARCHER:
            return made
        return made.for_participant(by.id) if by.role else made.for_stranger()

    def _look(self, sites: Sequence[Site]) -> Snapshot:
        newest = self._runs.list(SYSTEM, limit=1)
        queue, active = self._runs.queue(SYSTEM), self._runs.active(SYSTEM)
        shown = next(iter([*active, *queue, *newest]), None)
        return Snapshot(
            programs=tuple(one for runtime in self._runtimes for one in runtime.programs()),
            sites=tuple(sites),
            approved=len(sites),
            online=sum(site.presence is Presence.ONLINE for site in sites),
            run=self._run(shown) if shown else None,
            queued=len(queue),
            trouble=self._sites.trouble,
            running=self._runtimes.of(DEPLOYED).lack() is None,
        )

    def _run(self, run: Run) -> RunNow:
        why, wait = self._runs.why(run, SYSTEM), self._runs.wait(run, SYSTEM)
        return RunNow(
            id=run.id,
            name=run.name,
            app=run.app,
            status=run.status,
            cause_code=run.cause_code,
            round=run.round,
            rounds=run.rounds,
            why=why,
            held_up=bool(why) and not run.status.is_end,
            answers=wait.short if wait and wait.code == ANSWERS and not wait.late else "",
            started_at=run.started_at,
            ended_at=run.ended_at,
            points=self._metrics.count(run.id),
        )
