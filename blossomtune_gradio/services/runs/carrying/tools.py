"""What every worker of a run needs; made once by the application."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blossomtune_gradio.background import Loops
from blossomtune_gradio.errors import BlossomError
from blossomtune_gradio.flower.apps.catalogue import AppCatalogue
from blossomtune_gradio.flower.apps.reads import NOTHING_KNOWN, AppReads, app_reads
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.runs.book import RunBook
from blossomtune_gradio.services.runs.folder import RunFolders
from blossomtune_gradio.services.runs.metrics import MetricService
from blossomtune_gradio.services.runtimes.known import Runtimes


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The parts a worker uses."""

    book: RunBook
    apps: AppCatalogue
    runtimes: Runtimes
    metrics: MetricService
    logs: LogStore
    loops: Loops
    folders: RunFolders
    records: Path  # of child programs

    def reads(self, app: str) -> AppReads:
        """What this app's code asks for; nothing where it is not among the apps any more."""
        try:
            return app_reads(self.apps.get(app))
        except BlossomError:
            return NOTHING_KNOWN
