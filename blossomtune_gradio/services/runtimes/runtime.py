"""What a place where runs run has to offer: the protocol `Runtime`.

Queue, workers, followers, watchers and verdicts know this and nothing else of such a place, so a
new one is a class with these members, handed to the application. Facts, chunks of log and messages
have Flower's form (`flower/link`). Surprise: nothing here says how the place is set up or switched
on; only `lack` says what is missing before a run can go on.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from blossomtune_gradio.flower.link.facts import LogChunk, RunFact
from blossomtune_gradio.flower.link.given import Given
from blossomtune_gradio.flower.link.messages import SiteMessage
from blossomtune_gradio.processes import Status
from blossomtune_gradio.services.sites.service import Site


@dataclass(frozen=True)
class FlwrConnection:
    """How Flower's own command finds the place."""

    name: str  # in Flower's config.toml, for `flwr run APP NAME`
    home: Path  # FLWR_HOME, where that file lies
    environment: Mapping[str, str]  # what the command is given


@dataclass(frozen=True)
class Lack:
    """What a place is short of, so that no run goes on there."""

    code: str  # one word for machines
    what: str  # "the SuperLink"
    advice: str  # a sentence


@dataclass(frozen=True)
class RunProgram:
    """A program of ours below the runs of a place. Its name is unique among all of them."""

    name: str  # as in the audit trail: process:NAME
    title: str  # for people
    status: Status
    hosts_apps: bool = False  # a ServerApp ends with it


@dataclass(frozen=True)
class Incident:
    """The end of such a program, while a run was on."""

    program: str  # its name
    text: str  # how it ended, with the time
    asked: bool = False  # somebody wanted it to end
    hosts_apps: bool = False


class RunControl(Protocol):
    """What is asked and told about runs; every failure is a FlowerError."""

    def runs(self, limit: int = 20) -> list[RunFact]:
        """The newest runs, newest first, also those that did not come from us."""

    def run(self, run_id: int) -> RunFact | None:
        """One run, None when it is not known (any more)."""

    def logs(
        self, run_id: int, after: float = 0.0, *, quiet: float | None = None
    ) -> Generator[LogChunk, None, None]:
        """The log after a chunk's timestamp, until the run is over or `quiet` seconds without."""

    def stop(self, run_id: int) -> bool:
        """Stop a run; False when it had ended already."""


class RunMessages(Protocol):
    """Who was asked, and who answered what."""

    def of_run(self, run_id: int) -> list[SiteMessage] | None:
        """Questions and answers that are there at this moment; None: not known."""

    def given_to(self, run_id: int, after: int = 0) -> Given | None:
        """What the ServerApp was given, above the number `after`; None: not known."""


class Runtime(Protocol):
    """One place where runs run."""

    @property
    def name(self) -> str:
        """Kept with each run (`Run.runtime`); never changed."""

    @property
    def slots(self) -> int:
        """How many runs it carries at a time."""

    @property
    def connection(self) -> FlwrConnection:
        """For `flwr run`, by us and in a terminal."""

    @property
    def control(self) -> RunControl:
        """Raises FlowerUnreachable while there is nobody to ask."""

    @property
    def messages(self) -> RunMessages:
        """What its sites were asked and answered."""

    def lack(self) -> Lack | None:
        """What it is short of; None when a run can begin."""

    def programs(self) -> Sequence[RunProgram]:
        """Our own programs below its runs, those that matter most first; maybe none."""

    def incidents(self, since: datetime) -> list[Incident]:
        """Which of these programs ended since then, oldest first."""

    def sites(self) -> Sequence[Site]:
        """Who may take part in its runs, present or not."""

    def submission(self, app: Path, config: Path) -> Sequence[str]:
        """The command that hands over the app in a folder with the values of a TOML file.

        It answers as `flwr run --format json` does, and is run as a child program of ours.
        """

    def work_folder(self, flower_run_id: str) -> Path | None:
        """Where the ServerApp of a run leaves its files; None where there is no such place."""
