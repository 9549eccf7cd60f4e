"""A whole BlossomTune with real SuperLink, gateway and sites that joined by their kits."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

import psutil

from blossomtune_gradio.application import Application
from blossomtune_gradio.demo.local_sites import LocalSite, leave_all
from blossomtune_gradio.flower.link import commands
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.models import Run
from blossomtune_gradio.web.server import WebServer
from tests.people import ADMIN
from tests.support import wait_for

APPS = Path(__file__).parent / "apps"
PATH = os.environ.get("PATH", os.defpath)
NOTHING: Mapping[str, str] = MappingProxyType({})


def live_settings(folder: Path, **options: object) -> Settings:
    """Free ports, apps of the tests in a folder of their own, nothing imported beforehand."""
    apps = folder / "apps"
    if not apps.exists():
        shutil.copytree(APPS, apps)
    defaults = {
        "data_dir": folder / "server",
        "flower_apps_dir": apps,
        "port": 0,
        "fleet_port": 0,
        "partitions": 3,
        "site_preload": "",
    }
    return Settings(**(defaults | options))  # type: ignore[arg-type]


class LiveFederation:
    """Use it as a context manager; everything it started is gone afterwards."""

    def __init__(
        self, folder: Path, variables: Mapping[str, str] = NOTHING, **options: object
    ) -> None:
        """`variables`: what ServerApps see besides."""
        self.folder = folder
        self.app = Application(live_settings(folder, **options), PATH, variables)
        self.at_sites: dict[str, str] = {}
        """Variables that are set at each site which joins from now on."""
        self.python = sys.executable
        """The Python of each site which joins from now on."""
        self.sites: dict[str, LocalSite] = {}
        self._stack = ExitStack()

    def __enter__(self) -> LiveFederation:
        self._stack.callback(self.app.close)
        self.server = self._stack.enter_context(WebServer(self.app))
        self._stack.callback(self._leave)
        self.app.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add_sites(self, *names: str) -> None:
        """Let sites join and wait until Flower sees them."""
        for name in names:
            home = self.folder / "sites" / name
            env = commands.child_environment(home / "home", self.at_sites, path=PATH)
            self.sites[name] = LocalSite(self.app, name, home, env, self.python)
            self.sites[name].join()
        wait_for(lambda: set(names) <= self.online(), 60)

    def online(self) -> set[str]:
        """Names of the sites Flower can give work to."""
        return {site.name for site in self.app.sites.sites(ADMIN) if site.presence == "online"}

    def participant(self, name: str) -> int:
        """The number of the participant behind a site."""
        sites = self.app.sites.sites(ADMIN)
        return next(site.participant_id for site in sites if site.name == name)

    def kill(self, name: str, program: str) -> None:
        """End a program of a site the hard way, by its name in the command line."""
        folder = str(self.folder / "sites" / name)
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
            except psutil.Error:
                continue
            if any(program in word for word in words[:3]) and any(folder in w for w in words):
                process.kill()
                return
        raise AssertionError(f"{name} runs no {program}")

    def start(self, name: str, **config: object) -> Run:
        """Start a run of one of the apps."""
        given = {key.replace("_", "-"): value for key, value in config.items()}
        return self.app.runs.start(name, ADMIN, config=given)

    def ended(self, run: Run, seconds: float = 120) -> Run:
        """The run once it is over."""
        wait_for(lambda: self.app.runs.get(run.id, ADMIN).status.is_end, seconds, every=0.2)
        return self.app.runs.get(run.id, ADMIN)

    def forget_runs(self) -> None:
        """Stop what runs and delete every run."""
        runs = self.app.runs.list(ADMIN)
        for run in runs:
            if not run.status.is_end:
                self.app.runs.stop(run.id, ADMIN)
        for run in runs:
            self.ended(run)
            self.app.history.delete(run.id, ADMIN)

    def programs(self) -> tuple[int | None, int | None]:
        """Process ids of SuperLink and executor."""
        return self.app.superlink.status.pid, self.app.superlink.executor.pid

    def why(self, run: Run) -> str:
        """What the page says of the run at this moment."""
        return self.app.runs.why(self.app.runs.get(run.id, ADMIN), ADMIN)

    def log(self, source: str) -> list[str]:
        """All lines of one log."""
        page = self.app.logs.since({source: 0}, [source], limit=100_000)
        return [line.text for line in page.lines]

    def _leave(self) -> None:
        assert leave_all(list(self.sites.values())) == []


def children() -> set[int]:
    """Process ids of all that lives below this process, however it was started."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


def bearing_our_mark() -> set[int]:
    """Process ids of everything that any supervisor here has started, also re-parented ones."""
    found = set()
    for process in psutil.process_iter():
        try:
            if "BLOSSOMTUNE_PROCESS" in process.environ() and process.is_running():
                found.add(process.pid)
        except psutil.Error:
            continue
    return found
