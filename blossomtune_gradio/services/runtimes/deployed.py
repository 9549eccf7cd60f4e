"""Runs on the SuperLink of this machine, at the sites that have joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from blossomtune_gradio.flower.link import commands
from blossomtune_gradio.flower.link.control import FlowerControl
from blossomtune_gradio.flower.link.messages import MessageBox
from blossomtune_gradio.services.runtimes.ends import ProgramEnds
from blossomtune_gradio.services.runtimes.programs import work_folder
from blossomtune_gradio.services.runtimes.runtime import FlwrConnection, Incident, Lack, RunProgram
from blossomtune_gradio.services.runtimes.superlink import SuperLink
from blossomtune_gradio.services.sites.service import Site
from blossomtune_gradio.store.models import DEPLOYED


class DeployedRuntime:
    """The `Runtime` of every run that is given no other."""

    name = DEPLOYED

    def __init__(
        self, superlink: SuperLink, ends: ProgramEnds, sites: Callable[[], list[Site]], slots: int
    ) -> None:
        """`sites`: those that are approved, as they are seen now."""
        self._superlink, self._ends, self._sites = superlink, ends, sites
        self.slots = slots

    @property
    def connection(self) -> FlwrConnection:
        """The SuperLink's."""
        return self._superlink.connection

    @property
    def control(self) -> FlowerControl:
        """Raises FlowerUnreachable while the SuperLink is not running."""
        return self._superlink.control

    @property
    def messages(self) -> MessageBox:
        """What lies in the SuperLink's database."""
        return self._superlink.messages

    def lack(self) -> Lack | None:
        """The SuperLink, unless it and its executor are up."""
        if self._superlink.running:
            return None
        return Lack("superlink", "the SuperLink", "Start it on the Admin page.")

    def programs(self) -> Sequence[RunProgram]:
        """The SuperLink and its executor."""
        return self._superlink.programs

    def incidents(self, since: datetime) -> list[Incident]:
        """Which of the two ended since then."""
        return self._ends.since(since, self.programs())

    def sites(self) -> Sequence[Site]:
        """Everybody who is approved."""
        return self._sites()

    def submission(self, app: Path, config: Path) -> Sequence[str]:
        """`flwr run`."""
        return commands.run_argv(app, self.connection.name, config)

    def work_folder(self, flower_run_id: str) -> Path | None:
        """One below the executor's."""
        if not flower_run_id.isdigit():
            return None
        return work_folder(self.connection.home) / flower_run_id
