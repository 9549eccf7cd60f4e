"""How the SuperLink and the federation as a whole look from outside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from blossomtune_gradio.processes import State
from blossomtune_gradio.services.overview import RunNow
from blossomtune_gradio.views.base import From, Moment, Tone, View
from blossomtune_gradio.views.run import run_tone
from blossomtune_gradio.views.site import SiteLamp

PROCESS_TONES: Mapping[State, Tone] = {
    State.RUNNING: "good",
    State.STARTING: "busy",
    State.STOPPING: "busy",
    State.BACKING_OFF: "bad",
    State.FAILED: "bad",
    State.EXITED: "bad",
    State.STOPPED: "off",
}


class ProcessView(View):
    name: str
    state: Annotated[str, From("status.state")]
    since: Annotated[datetime, From("status.since")]
    reason: Annotated[str, From("status.reason")]


class SuperLinkView(View):
    running: bool = Field(description="SuperLink and executor are both up")
    processes: list[ProcessView]


class LoopView(View):
    """How something that goes on by itself has fared."""

    name: str
    turns: int
    faults: int = Field(description="Turns that failed")
    last_fault: str = Field(description="A sentence, or empty")
    last_fault_at: datetime | None
    last_good_at: datetime | None
    stumbles: bool = Field(description="Its newest turn failed")


class Health(View):
    status: Literal["ok", "trouble"]
    version: str
    superlink: str
    sites: int
    online: int
    trouble: str = Field(description="A sentence, or empty")
    loops: list[LoopView] = Field(description="What goes on by itself; empty but for admins")


class LampRow(View):
    """One program on the Live page."""

    name: Annotated[str, From("title")]
    state: Annotated[str, From("status.state")]
    tone: Annotated[Tone, From(lambda program: PROCESS_TONES[program.status.state])]
    since: Annotated[Moment, From("status.since")]
    reason: Annotated[str, From("status.reason")]


class RunLamp(View):
    """The active or newest run on the Live page."""

    id: int
    name: str
    app: str
    status: str
    tone: Annotated[Tone, From(lambda run: _tone(run))]
    round: int
    rounds: int
    why: str
    answers: str
    started: Annotated[Moment, From("started_at")]
    ended: Annotated[Moment, From("ended_at")]
    points: int


class SnapshotView(View):
    """What every viewer of the Live page polls."""

    lamps: Annotated[list[LampRow], From(lambda seen: [LampRow.of(one) for one in seen.programs])]
    sites: Annotated[list[SiteLamp], From(lambda seen: [SiteLamp.of(one) for one in seen.sites])]
    approved: int
    online: int
    run: Annotated[RunLamp | None, From(lambda seen: RunLamp.of(seen.run) if seen.run else None)]
    queued: int
    trouble: str
    running: bool


def _tone(run: RunNow) -> Tone:
    return "busy" if run.held_up else run_tone(run)
