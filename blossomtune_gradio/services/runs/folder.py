"""Where the files of a run lie: what was handed over with it, and what its ServerApp left.

The only place that knows these paths. Surprise: both parts go together, and a run that is submitted
again begins with neither of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blossomtune_gradio.store.models import Run


@dataclass(frozen=True)
class RunFolder:
    """The files of one run. None of the paths need exist."""

    path: Path  # ours
    results: Path | None  # the ServerApp's working folder; None before Flower has the run

    @property
    def answer(self) -> Path:
        """What the command that handed the run over has written."""
        return self.path / "submit.out"

    @property
    def values(self) -> Path:
        """The run's configuration, as it was handed over."""
        return self.path / "run.toml"

    def make(self) -> None:
        """Make the part that is ours."""
        self.path.mkdir(parents=True, exist_ok=True)

    def remove(self) -> None:
        """Delete all of it; what cannot be deleted stays."""
        for path in (self.path, self.results):
            if path is not None:
                shutil.rmtree(path, ignore_errors=True)


class RunFolders:
    """Those of all runs."""

    def __init__(self, root: Path, results_of: Callable[[Run], Path | None]) -> None:
        """`root`: a folder for each run below it. `results_of`: see `RunFolder.results`."""
        self._root, self._results_of = root, results_of

    def of(self, run: Run) -> RunFolder:
        """The folder of this run, as its row is now."""
        return RunFolder(self._root / str(run.id), self._results_of(run))
