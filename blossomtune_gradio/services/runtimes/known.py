"""All places where runs can run, by name.

A run may be kept whose runtime is not set up here (any more): it waits, and its card says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from blossomtune_gradio.errors import FlowerUnreachable, InvalidFields, NotPossible
from blossomtune_gradio.services.runtimes.runtime import (
    FlwrConnection,
    Incident,
    Lack,
    RunControl,
    RunMessages,
    RunProgram,
    Runtime,
)
from blossomtune_gradio.services.sites.service import Site
from blossomtune_gradio.store.models import Run


class Runtimes:
    """The runtimes of this BlossomTune; the first one is where a run goes if nothing is said."""

    def __init__(self, *runtimes: Runtime) -> None:
        self._by_name = {runtime.name: runtime for runtime in runtimes}
        if len(self._by_name) < len(runtimes):
            raise ValueError("Two runtimes have one name.")

    def __iter__(self) -> Iterator[Runtime]:
        return iter(self._by_name.values())

    def of(self, name: str) -> Runtime:
        """The runtime of this name, or one in its place that can do nothing and says so."""
        return self._by_name.get(name) or MissingRuntime(name)

    def work_folder_of(self, run: Run) -> Path | None:
        """Where the ServerApp of a run leaves its files; None where there is no such place."""
        number = run.flower_run_id
        return self.of(run.runtime).work_folder(number) if number else None

    def checked(self, name: str) -> str:
        """The name, if a run can be given to it.

        Raises:
            InvalidFields: there is none of this name.
        """
        if name not in self._by_name:
            names = ", ".join(self._by_name)
            raise InvalidFields({"runtime": f"There is no runtime {name!r}; there is: {names}."})
        return name


class MissingRuntime:
    """Stands for a runtime that is not set up here."""

    slots = 0

    def __init__(self, name: str) -> None:
        self.name = name
        self._sentence = f"The runtime {name} is not set up here."

    @property
    def connection(self) -> FlwrConnection:
        """Raises NotPossible."""
        raise NotPossible(self._sentence)

    @property
    def control(self) -> RunControl:
        """Raises FlowerUnreachable."""
        raise FlowerUnreachable(self._sentence)

    @property
    def messages(self) -> RunMessages:
        """Raises FlowerUnreachable."""
        raise FlowerUnreachable(self._sentence)

    def lack(self) -> Lack:
        """The runtime itself."""
        return Lack("runtime", f"the runtime {self.name}", "Set it up again, or stop the run.")

    def programs(self) -> Sequence[RunProgram]:
        """None."""
        return ()

    def incidents(self, since: datetime) -> list[Incident]:  # noqa: ARG002
        """None."""
        return []

    def sites(self) -> Sequence[Site]:
        """None."""
        return ()

    def submission(self, app: Path, config: Path) -> Sequence[str]:  # noqa: ARG002
        """Raises NotPossible."""
        raise NotPossible(self._sentence)

    def work_folder(self, flower_run_id: str) -> Path | None:  # noqa: ARG002
        """None."""
        return None
