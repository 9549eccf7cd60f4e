"""What belongs to a run: its timeline, what sites did in it, its numbers, files and log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from blossomtune_gradio.views.base import From, Moment, View


class EventView(View):
    id: int
    at: datetime
    kind: str
    text: str


class EventRow(View):
    """The same for the page."""

    id: int
    at: Moment
    kind: str
    text: str


class RunSiteView(View):
    """What one site did in a run."""

    name: str
    node_id: str
    partition: Annotated[int | None, From("partition_id")]
    asked: int = Field(description="Messages it was given")
    answered: int
    failures: int
    last_round: int
    last_error: str


class RunSiteRow(RunSiteView):
    """The same for the page; `tail` is what it shared of its output."""

    node: Annotated[str, From("node_id")]
    open_since: Moment
    tail: str


class FileView(View):
    """One file that a run left behind."""

    name: str = Field(description="Path below the run's working folder")
    size: int = Field(description="Bytes")
    changed_at: datetime


class FileList(View):
    """What a run left behind."""

    files: Annotated[list[FileView], From(lambda kept: [FileView.of(one) for one in kept.files])]
    left_out: int = Field(description="Names not given: links, odd names, more than 1000")


class MetricView(View):
    name: str
    site: str = Field(description='Partition, or "" for the whole federation')
    round: int
    value: float | None = Field(description="null: not a finite number")


class LineView(View):
    source: str
    offset: int
    time: str
    level: str
    text: str


class LogPage(View):
    lines: list[LineView]
    cursor: int = Field(description="Send as `after` to read on")
    more: bool = Field(description="There are more lines already")
