"""What a run looks like from outside.

`RunView` is what REST and the command line tell, and what the page of one run lists: whoever adds
a field there, with a `Fact` for its label and unit, has added it everywhere. The rows of the lists
are shorter, as they are sent every other second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

from blossomtune_gradio.services.runs.asking import stake
from blossomtune_gradio.services.runs.judging.end import Cause
from blossomtune_gradio.services.runs.watching.waiting import Wait
from blossomtune_gradio.store.models import Run, RunSite, RunStatus, now
from blossomtune_gradio.views.base import Fact, From, Moment, Tone, View, fact_of, facts, span
from blossomtune_gradio.views.wait import WaitView, wait_view

TONES: Mapping[RunStatus, Tone] = {
    RunStatus.QUEUED: "off",
    RunStatus.SUBMITTED: "live",
    RunStatus.RUNNING: "live",
    RunStatus.COMPLETED: "good",
    RunStatus.FAILED: "bad",
    RunStatus.LOST: "bad",
    RunStatus.STOPPED: "off",
}


class Ending(Protocol):
    """What the colour of a run depends on."""

    @property
    def status(self) -> RunStatus: ...
    @property
    def cause_code(self) -> str: ...


def run_tone(run: Ending) -> Tone:
    """The colour of its state; a run in which nothing was done is no plain success."""
    return "busy" if run.cause_code == Cause.NOTHING_DONE else TONES[run.status]


class RunView(View):
    """One run."""

    id: int
    name: str
    app: str
    app_hash: str
    status: Annotated[
        Literal["queued", "submitted", "running", "completed", "failed", "stopped", "lost"],
        From("status_word"),
    ]
    ended: Annotated[bool, From("status.is_end")] = Field(description="It will never change again")
    why: str = Field(description="What it waits for or how it ended, a sentence; may be empty")
    cause_code: Annotated[str, Fact("Cause code")] = Field(
        description="How it ended as a word; may be empty"
    )
    advice: str = Field(description="What to do about it, a sentence; may be empty")
    evidence: list[str] = Field(description="The lines that show it")
    round: int
    rounds: int
    config: dict[str, Any]
    partitions: int
    command: str = Field(description="The same run for a terminal")
    min_sites: int
    tags: list[str]
    note: str
    pinned: bool
    created_by: Annotated[str, From(lambda run: run.started_by or run.created_by)]
    source: str = Field(description="here, or outside: by a plain flwr run")
    created_at: Annotated[datetime, Fact("Deployed", "moment")]
    started_at: Annotated[datetime | None, Fact("Began", "moment")]
    ended_at: Annotated[datetime | None, Fact("Ended", "moment")]
    bytes_sent: Annotated[int, Fact("Sent to sites", "bytes")]
    bytes_received: Annotated[int, Fact("Received", "bytes")]
    client_seconds: Annotated[float, Fact("Compute on sites", "seconds")]
    server_seconds: Annotated[float, Fact("Compute on the server", "seconds")]
    flower_run_id: Annotated[str | None, Fact("Flower's number")]


class StartedRun(RunView):
    """A run that was just queued, and what may go wrong."""

    lacking: list[str] = Field(description="What sites that are online lack for it, in sentences")


class RunList(View):
    runs: list[RunView]
    total: int = Field(description="So many fit")


class RunRow(View):
    """One run in a list of the page; `place` is the one in the queue, 0 for none."""

    id: int
    name: str
    app: str
    status: Annotated[str, From("status_word")]
    tone: Annotated[Tone, From(run_tone)]
    round: int
    rounds: int
    created: Annotated[Moment, From("created_at")]
    started: Annotated[Moment, From("started_at")]
    ended: Annotated[Moment, From("ended_at")]
    cause: Annotated[str, From("reason")]
    cause_code: str
    by: Annotated[str, From("started_by")]
    source: str
    tags: list[str]
    pinned: bool
    place: int = 0
    over: Annotated[bool, From("status.is_end")]


class OpenRun(RunRow):
    """One run that has not ended, with what it waits for and what a stop cuts off."""

    stopping: Annotated[bool, From(lambda run: bool(run.stop_asked_by))]
    wait: WaitView | None
    stake: str


class RunDetail(RunRow):
    """All of one run, for its page."""

    config: list[dict[str, Any]]  # key, value, changed: it differs from the app's value of today
    facts: list[dict[str, Any]]  # see `facts`
    evidence: list[str]
    advice: str
    command: str
    note: str
    wait: WaitView | None
    stake: str


def open_run(run: Run, place: int, wait: Wait | None, sites: Sequence[RunSite]) -> OpenRun:
    """A row of the queue."""
    return OpenRun.of(run, place=place, wait=wait_view(wait), stake=stake.of_run(run, sites))


def run_detail(
    run: Run, wait: Wait | None, sites: Sequence[RunSite], defaults: Mapping[str, Any]
) -> RunDetail:
    """The page of one run; `defaults` are the app's values of today."""
    return RunDetail.of(
        run,
        wait=wait_view(wait),
        stake=stake.of_run(run, sites),
        facts=[*_facts(run, wait), *facts(RunView.of(run, why=""))],
        config=[
            {"key": key, "value": str(value), "changed": _differs(key, value, defaults)}
            for key, value in run.config.items()
        ],
    )


def nameless_row(run: Run) -> RunRow:
    """For somebody who may not know the other sites and the people."""
    return RunRow.of(run, cause="", by="")


def _facts(run: Run, wait: Wait | None) -> list[dict[str, Any]]:
    """What is made of several fields."""
    took = int(((run.ended_at or now()) - run.started_at).total_seconds()) if run.started_at else ""
    this_round = wait.short if wait and not wait.late else "–"  # noqa: RUF001
    app = (run.app, run.app_version, run.app_hash[:12])
    told = [
        fact_of("Started by", run.started_by if run.source == "here" else "flwr run, outside"),
        fact_of("Stopped by", run.stop_asked_by),
        fact_of("App", "  ·  ".join(filter(None, app))),
        fact_of("Limits", ", ".join(_limits(run))),
        fact_of("Took", took, "seconds"),
        fact_of("Rounds", f"{run.round} of {run.rounds}" if run.rounds else run.round or ""),
        fact_of("This round", "" if run.status.is_end else this_round),
    ]
    return [fact for fact in told if fact["value"] != ""]


def _limits(run: Run) -> list[str]:
    words = [f"{run.partitions} partitions"] if run.partitions else []
    if run.min_sites:
        words.append(f"at least {run.min_sites} sites")
    if run.quorum_seconds:
        words.append(f"quorum within {span(run.quorum_seconds)}, else {run.on_quorum}")
    if run.round_seconds:
        words.append(f"a round up to {span(run.round_seconds)}")
    return words


def _differs(key: str, value: object, defaults: Mapping[str, Any]) -> bool:
    return key not in defaults or (type(value), value) != (type(defaults[key]), defaults[key])
