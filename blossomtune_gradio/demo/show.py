"""The demonstration itself: web page, SuperLink, sites, one run; and its result as one object."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blossomtune_gradio.application import Application
from blossomtune_gradio.demo.local_sites import LocalSite, leave_all
from blossomtune_gradio.demo.view import DemoView
from blossomtune_gradio.errors import NotPossible, SettingsError
from blossomtune_gradio.flower.link import commands
from blossomtune_gradio.identity import LOCAL_ADMIN
from blossomtune_gradio.processes import end_leftovers
from blossomtune_gradio.services.runs.metrics import REPLIES, SERVER_ACCURACY, SERVER_LOSS
from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.models import Run
from blossomtune_gradio.web.server import WebServer, port_is_free

_APP = "quickstart_huggingface"
_NAMES = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel")
_PROGRAM = sys.argv[0] if Path(sys.argv[0]).name == "blossomtune" else "blossomtune"
_MARK = ".blossomtune-demo"  # only a folder with this file in it is ever emptied
_ONLINE_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the command line asked for."""

    data: str = "auto"
    model: str = "auto"
    rounds: int = 3
    sites: int = 2
    exit: bool = False
    install_seconds: float = 0.0


class Interrupted(Exception):
    """Somebody pressed Ctrl-C or ended the program."""


class Show:
    """One demonstration in one folder."""

    def __init__(
        self,
        settings: Settings,
        wishes: Wishes,
        view: DemoView,
        path: str,
        child_variables: Mapping[str, str],
        ending: threading.Event,
    ) -> None:
        self._folder = settings.data_dir
        self._settings = settings.but(
            smtp_url="",  # its sites read their codes in the outbox
            data_dir=settings.data_dir / "server",
            port=settings.port if port_is_free(settings.host, settings.port) else 0,
            fleet_port=0,
            partitions=wishes.sites,
        )
        self._wishes, self._view, self._ending = wishes, view, ending
        self._path, self._variables = path, child_variables
        self._seconds = {"install": wishes.install_seconds}

    def play(self) -> int:
        """Run it; the exit code. Whatever was started is ended before this returns."""
        _empty(self._folder)
        with ExitStack() as stack:
            app = Application(self._settings, self._path, self._variables)
            stack.callback(app.close)
            server = stack.enter_context(WebServer(app))
            stack.enter_context(self._view)
            stack.callback(app.tokens.take_back_locally, self._settings.data_dir)
            try:
                result = self._perform(app, server, stack)
            except Interrupted:
                self._view.doing("Ending everything")
                return 130
            if not self._wishes.exit:
                self._stay(server)
        print(json.dumps(result))  # noqa: T201 - the promised last line
        complete = result["status"] == "completed" and result["sites"] == self._wishes.sites
        return 0 if complete else 1

    def _perform(self, app: Application, server: WebServer, stack: ExitStack) -> dict[str, Any]:
        self._view.done("web page", server.url)
        self._view.doing("Starting the SuperLink")
        app.open()
        app.tokens.hand_out_locally(self._settings.data_dir, server.url)
        self._view.done("command line", f"{_PROGRAM} run list --data-dir {self._folder / 'server'}")
        app.federation.start(by=LOCAL_ADMIN)
        self._view.done("SuperLink", "running with TLS, every site needs its own key")
        self._bring_sites(app, stack)
        self._seconds["ready"] = self._view.seconds
        run = app.runs.start(_APP, LOCAL_ADMIN, name="demo", config=self._config())
        self._follow(app, run)
        self._seconds["total"] = self._view.seconds
        return self._result(app, run)

    def _bring_sites(self, app: Application, stack: ExitStack) -> None:
        sites = [self._site(app, number) for number in range(self._wishes.sites)]
        stack.callback(self._send_home, sites)
        for site in sites:
            self._view.doing(f"{site.name} asks, is approved and starts its kit")
            site.join()
        self._view.doing("Waiting for the sites to come online")
        self._wait(lambda: self._online(app) == len(sites), _ONLINE_SECONDS, app)
        self._view.done("sites", f"{', '.join(site.name for site in sites)} are online")

    def _site(self, app: Application, number: int) -> LocalSite:
        name = _NAMES[number] if number < len(_NAMES) else f"Site {number + 1}"
        folder = self._folder / "sites" / name.lower().replace(" ", "-")
        home = folder / "home"
        env = commands.child_environment(home, self._variables, path=self._path)
        return LocalSite(app, name, folder, env)

    def _send_home(self, sites: list[LocalSite]) -> None:
        for trouble in leave_all(sites):
            self._view.say(trouble)

    def _online(self, app: Application) -> int:
        return sum(site.presence is Presence.ONLINE for site in app.sites.sites(LOCAL_ADMIN))

    def _config(self) -> dict[str, object]:
        return {
            "num-server-rounds": self._wishes.rounds,
            "min-sites": self._wishes.sites,
            "data": _located(self._wishes.data),
            "model": _located(self._wishes.model),
        }

    def _follow(self, app: Application, run: Run) -> None:
        shown = 0
        while not run.status.is_end:
            self._view.doing(app.runs.why(run, LOCAL_ADMIN) or _progress(run))
            for number, (accuracy, loss) in enumerate(self._rounds(app, run)[shown:], shown + 1):
                self._seconds.setdefault("first_round", self._view.seconds)
                self._view.round(number, accuracy, loss)
                shown = number
            self._pause()
            run = app.runs.get(run.id, LOCAL_ADMIN)
        for number, (accuracy, loss) in enumerate(self._rounds(app, run)[shown:], shown + 1):
            self._view.round(number, accuracy, loss)
        self._view.done("run", f"{run.status}. {run.cause}".rstrip(". "))

    def _rounds(self, app: Application, run: Run) -> list[tuple[float | None, float | None]]:
        values = app.metrics.values(run.id, LOCAL_ADMIN)
        accuracy = {v.round: v.value for v in values if v.name == SERVER_ACCURACY and v.round}
        loss = {v.round: v.value for v in values if v.name == SERVER_LOSS and v.round}
        return [(accuracy[n], loss.get(n)) for n in sorted(accuracy)]

    def _result(self, app: Application, run: Run) -> dict[str, Any]:
        run = app.runs.get(run.id, LOCAL_ADMIN)
        rounds = self._rounds(app, run)
        values = app.metrics.values(run.id, LOCAL_ADMIN)
        replies = [int(v.value or 0) for v in values if v.name == REPLIES]
        return {
            "run_id": run.flower_run_id,
            "status": run.status.value,
            "sites": min(replies, default=0),
            "rounds": len(rounds),
            "accuracy": [accuracy for accuracy, _ in rounds],
            "loss": [loss for _, loss in rounds],
            "seconds": {name: round(value, 1) for name, value in self._seconds.items()},
        }

    def _stay(self, server: WebServer) -> None:
        self._view.doing(f"The page stays up at {server.url} until you press Ctrl-C")
        self._ending.wait()
        self._view.doing("Ending everything")

    def _wait(self, condition: Callable[[], bool], seconds: float, app: Application) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise NotPossible(
                    f"The sites did not come online. {app.sites.missing()} "
                    f"Their output is in {self._folder / 'sites'}."
                )
            self._pause()

    def _pause(self) -> None:
        if self._ending.wait(0.5):
            raise Interrupted


def _progress(run: Run) -> str:
    if run.round:
        return f"Round {run.round} of {run.rounds}"
    return f"The run is {run.status}; the ServerApp comes up"


def _located(text: str) -> str:
    """A folder as the app will find it, whatever its working directory; other words as they are."""
    path = Path(text).expanduser()
    return str(path.resolve()) if path.is_dir() else text


def _empty(folder: Path) -> None:
    """Make the demonstration's folder new, ending what a killed one left running."""
    if folder.exists() and not (folder / _MARK).exists() and any(folder.iterdir()):
        raise SettingsError(
            f"{folder} holds something that is not a demonstration. Name another folder with "
            "BLOSSOMTUNE_DATA_DIR, or empty it yourself."
        )
    for records in (folder / "server" / "processes", folder / "sites" / "processes"):
        end_leftovers(records)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        (folder / _MARK).touch()
    except OSError as error:
        raise SettingsError(
            f"The demonstration cannot write to {folder} ({error.strerror}). Name another folder "
            "with BLOSSOMTUNE_DATA_DIR."
        ) from error
