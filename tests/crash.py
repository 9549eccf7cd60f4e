"""A federation whose programs may be killed one by one: nothing of it lives in the test itself.

`blossomtune serve` is a program over a data directory of the test, reached by REST; the sites are
`python join.py` of real kits and belong to the test, so they outlive the web app. SuperLink,
executor and `flwr run` are found by the records of the supervisor, a SuperNode below its join.py.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import tomli

from blossomtune_gradio.application import Application
from blossomtune_gradio.flower.link import commands
from blossomtune_gradio.flower.link.control import FlowerControl
from blossomtune_gradio.flower.link.facts import RunFact
from blossomtune_gradio.flower.link.messages import MessageBox
from blossomtune_gradio.logs import read_level
from blossomtune_gradio.plain_text import plain
from blossomtune_gradio.services.runs.carrying.submission import CUT_OFF
from blossomtune_gradio.settings import Settings
from tests.live import PATH, live_settings
from tests.people import approved, person
from tests.support import free_port, wait_for

WEB, SUPERLINK, EXECUTOR, SUPERNODE = "web app", "superlink", "executor", "supernode"
KINDS = (WEB, SUPERLINK, EXECUTOR, SUPERNODE)
SERVE = [sys.executable, "-m", "blossomtune_gradio.cli", "serve"]
ROOT = Path(__file__).parent.parent
_PATIENCE = 180.0  # seconds for anything that comes up again, on a busy machine


class Crashable:
    """Use it as a context manager; what it started is gone afterwards, or it raises."""

    def __init__(self, folder: Path, *sites: str, **options: object) -> None:
        self.folder, self._names = folder, sites
        ports = {"port": free_port(), "fleet_port": free_port()}
        self.settings: Settings = live_settings(folder, **{**ports, **options})
        self.data = self.settings.data_dir
        self.joined: dict[str, subprocess.Popen[bytes]] = {}
        self._stack = ExitStack()
        self._serving: subprocess.Popen[bytes] | None = None
        self._killed_at = datetime.now(UTC)
        self._http = httpx.Client(timeout=120, trust_env=False)

    # -- life ------------------------------------------------------------------------------

    def __enter__(self) -> Crashable:
        self._stack.callback(self._http.close)
        self._stack.callback(self._end_everything)
        with self._stack as sure:
            self._hand_out_kits()
            self.serve()
            self.post("superlink/start")
            for name in self._names:
                self.join(name)
            wait_for(lambda: self.online() >= set(self._names), _PATIENCE, every=0.3)
            self._stack = sure.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def serve(self) -> None:
        """Start the web app; returns when it answers as an admin."""
        file = self.data / "local-token"
        old = file.read_text() if file.exists() else ""
        with (self.folder / "serve.out").open("ab") as out:
            self._serving = subprocess.Popen(
                SERVE, cwd=self.folder, env=self._environment(), stdout=out, stderr=out
            )
        wait_for(lambda: self._has_new_token(file, old), _PATIENCE)

    def end(self) -> int:
        """SIGTERM to the web app; its exit code."""
        assert self._serving is not None
        self._serving.send_signal(signal.SIGTERM)
        return self._serving.wait(_PATIENCE)

    def join(self, name: str) -> None:
        """Start a site's join.py."""
        home = self.folder / "sites" / name
        environment = commands.child_environment(home / "home", path=PATH)
        with (home / "join.out").open("ab") as out:
            self.joined[name] = subprocess.Popen(
                [sys.executable, str(home / "join.py")],
                cwd=home,
                env={**environment, "CRASHABLE": str(self.folder)},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    # -- kill -9 ---------------------------------------------------------------------------

    def pid(self, kind: str, site: str = "") -> int | None:
        """The process of one kind that lives at this moment; `site` for a SuperNode."""
        if kind == WEB:
            alive = self._serving is not None and self._serving.poll() is None
            return self._serving.pid if alive and self._serving else None
        if kind == SUPERNODE:
            return self._supernode(site)
        return self.recorded(kind)

    def recorded(self, program: str) -> int | None:
        """The live process of a supervisor's record."""
        try:
            kept = json.loads((self.data / "processes" / f"{program}.json").read_bytes())
            found = psutil.Process(kept["pid"])
            dead = found.status() == psutil.STATUS_ZOMBIE
        except (OSError, ValueError, TypeError, psutil.Error):
            return None
        return None if dead else found.pid

    def kill(self, kind: str, site: str = "") -> int:
        """SIGKILL to the program as soon as there is one; the dead process' number."""
        wait_for(lambda: self.pid(kind, site), _PATIENCE)
        pid = self.pid(kind, site)
        assert pid is not None
        self._killed_at = datetime.now(UTC)
        os.kill(pid, signal.SIGKILL)
        if kind == WEB and self._serving is not None:
            self._serving.wait(30)
        return pid

    def recovered(self, kind: str, dead: int, site: str = "") -> bool:
        """Whether another process does the work of a killed one again."""
        if self.pid(kind, site) in (None, dead):
            return False
        if kind == SUPERNODE:  # a dead one counts as online for up to a minute
            with closing(self._control()) as control:
                found = [n for n in control.nodes() if n.name == site and n.online_since]
            return any(n.online_since > self._killed_at for n in found if n.online_since)
        states = {p["name"]: p["state"] for p in self.get("superlink")["processes"]}
        return kind == WEB or states[kind] == "running"

    def until_recovered(self, kind: str, dead: int, site: str = "") -> None:
        """Wait for it; a web app is started again first, as systemd would."""
        if kind == WEB:
            self.serve()
        wait_for(lambda: self.recovered(kind, dead, site), _PATIENCE, every=0.1)

    # -- by REST ---------------------------------------------------------------------------

    def get(self, path: str, **query: object) -> Any:
        return self._ask("GET", path, params=query).json()

    def post(self, path: str, body: object = None) -> Any:
        return self._ask("POST", path, json=body).json()

    def online(self) -> set[str]:
        """Names of the sites that Flower counts as online."""
        return {site["name"] for site in self.get("sites") if site["presence"] == "online"}

    def sites(self) -> list[str]:
        """Names of the sites that joined."""
        return sorted(self.joined)

    def memory(self) -> dict[int, dict[str, Any]]:
        """All that is kept of each run: its row, points, timeline and log."""
        return {
            run["id"]: {
                "run": run,
                "metrics": self.get(f"runs/{run['id']}/metrics"),
                "events": self.get(f"runs/{run['id']}/events"),
                "log": self.log(f"run-{run['id']}"),
            }
            for run in self.get("runs", limit=500)["runs"]
        }

    def start(self, name: str, **config: object) -> int:
        """Queue a run, by default five rounds that talk a lot; the run's number."""
        wanted = {
            "num-server-rounds": 5,
            "min-nodes": min(2, len(self._names)),
            "evaluate": False,
            "client-sleep": 0.2,
            "note": "lines 30",
            **{key.replace("_", "-"): value for key, value in config.items()},
        }
        return int(self.post("runs", {"app": "message_app", "name": name, "config": wanted})["id"])

    def run(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"runs/{number}")
        return found

    def ended(self, number: int, seconds: float = 600) -> dict[str, Any]:
        """The run once it is over. Flower may wait three minutes for the rest of an answer."""
        try:
            wait_for(lambda: self.run(number)["ended"], seconds, every=0.3)
        except AssertionError as error:
            raise AssertionError(f"Not over after {seconds:g} s.\n{self.scene(number)}") from error
        return self.run(number)

    def scene(self, number: int) -> str:
        """Everything that could tell why a run does not end."""
        run = self.run(number)
        messages = MessageBox(self.data / "flower" / "superlink.db").of_run(
            int(run["flower_run_id"] or 0)
        )
        logs = {name: self.log(name)[-30:] for name in (f"run-{number}", "blossomtune", SUPERLINK)}
        for name in self.joined:
            text = (self.folder / "sites" / name / "join.out").read_text(errors="replace")
            logs[name] = text.splitlines()[-30:]
        told = "\n".join(f"--- {name}\n" + "\n".join(lines) for name, lines in logs.items())
        return f"{run}\nonline: {self.online()}\n{messages}\n{told}"

    def servers_app(self) -> psutil.Process:
        """The one ServerApp that runs."""
        (found,) = [p for p in self.leftovers() if any("flwr-serverapp" in w for w in p.cmdline())]
        return found

    def log(self, source: str) -> list[str]:
        """All lines of one log."""
        lines: list[str] = []
        cursor, more = 0, True
        while more:
            page = self.get(f"logs/{source}", after=cursor, limit=500)
            lines += [line["text"] for line in page["lines"]]
            cursor, more = page["cursor"], page["more"]
        return lines

    # -- Flower's own word -----------------------------------------------------------------

    def flower_runs(self) -> list[RunFact]:
        """Every run the SuperLink knows."""
        with closing(self._control()) as control:
            return control.runs(limit=1000)

    def flower_log(self, flower_id: int) -> list[str]:
        """The log of a run as Flower streams it, in the spelling of our own logs."""
        with closing(self._control()) as control:
            text = "".join(chunk.text for chunk in control.logs(flower_id, quiet=2.0))
        return [read_level(plain(line))[1] for line in text.splitlines()]

    # -- inside ----------------------------------------------------------------------------

    def _control(self) -> FlowerControl:
        known = tomli.loads((self.data / "flower" / "config.toml").read_text())["superlink"]
        connection = known[known["default"]]
        return FlowerControl(connection["address"], Path(connection["root-certificates"]))

    def _hand_out_kits(self) -> None:
        app = Application(self.settings, PATH)
        try:
            for name in self._names:
                asked = approved(app.participants, app.outbox, name)
                kit = app.kits.make(asked.id, by=person(name))
                home = self.folder / "sites" / asked.site
                home.mkdir(parents=True)
                with zipfile.ZipFile(io.BytesIO(kit)) as files:
                    files.extractall(home)
        finally:
            app.close()
        self._names = tuple(f"Site {name}" for name in self._names)

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("BLOSSOMTUNE_")}
        ours = {
            "DATA_DIR": self.data,
            "FLOWER_APPS_DIR": self.settings.flower_apps_dir,
            "PORT": self.settings.port,
            "FLEET_PORT": self.settings.fleet_port,
            "PARTITIONS": self.settings.partitions,
            "RUN_SLOTS": self.settings.run_slots,
        }
        named = {f"BLOSSOMTUNE_{name}": str(value) for name, value in ours.items()}
        return {**kept, **named, "PYTHONPATH": str(ROOT)}

    def _has_new_token(self, file: Path, old: str) -> bool:
        assert self._serving is not None
        said = (self.folder / "serve.out").read_text()[-2000:]
        assert self._serving.poll() is None, f"serve ended with {self._serving.poll()}: {said}"
        if not file.exists() or (text := file.read_text()) in ("", old):
            return False
        kept = json.loads(text)
        self._http.base_url = httpx.URL(f"{kept['url']}/api/v1/")
        self._http.headers["Authorization"] = f"Bearer {kept['token']}"
        return True

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = self._http.request(method, path, **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def _supernode(self, site: str) -> int | None:
        with suppress(psutil.Error):
            for child in psutil.Process(self.joined[site].pid).children():
                if any("flower-supernode" in word for word in child.cmdline()):
                    return child.pid if child.status() != psutil.STATUS_ZOMBIE else None
        return None

    def _end_everything(self) -> None:
        for site in self.joined.values():
            site.terminate()
        if self._serving is not None and self._serving.poll() is None:
            self.end()
        for site in self.joined.values():
            site.wait(_PATIENCE)
        left = [f"{p.pid}: {' '.join(p.cmdline())}" for p in self.leftovers()]
        for process in self.leftovers():
            process.kill()
        assert left == []

    def leftovers(self) -> list[psutil.Process]:
        """Everything that still works for this federation, however it was started."""
        return [p for p in psutil.process_iter() if p.pid != os.getpid() and self._is_ours(p)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            home = str(self.folder)
            return process.status() != psutil.STATUS_ZOMBIE and any(
                value.startswith(home)
                for name, value in process.environ().items()
                if name in ("FLWR_HOME", "BLOSSOMTUNE_DATA_DIR", "CRASHABLE")
            )
        except (psutil.Error, OSError):
            return False


def troubles(federation: Crashable, number: int) -> Iterator[str]:
    """What is not as it must be with a run that has ended, whatever was killed meanwhile."""
    run = federation.run(number)
    name = f"{run['name']} ({run['status']} {run['cause_code']})"
    log = federation.log(f"run-{number}")
    if sum(line.startswith("$ ") for line in log) != 1 + log.count(CUT_OFF):
        yield f"{name}: its command is not once for each submission in its log: {log[:20]}"
    told = [int(line.split()[1]) for line in log if line.endswith(" of the ServerApp")]
    if told != list(range(1, len(told) + 1)):
        yield f"{name}: lines were lost or doubled: {told}"
    if run["flower_run_id"]:
        flowers = federation.flower_log(int(run["flower_run_id"]))
        if log[len(log) - len(flowers) :] != flowers:
            yield f"{name}: its log is not Flower's:\n{log}\n{flowers}"
    events = federation.get(f"runs/{number}/events")
    ends = [event["text"] for event in events if event["kind"] == "end"]
    rounds = [event["text"] for event in events if event["kind"] == "round"]
    if len(ends) != 1 or len(set(rounds)) != len(rounds):
        yield f"{name}: its timeline has {ends} and {rounds}"
    entries = federation.get("audit", action="run.end", target=f"run:{number}", limit=500)
    exact = [entry for entry in entries["entries"] if entry["target"] == f"run:{number}"]
    if len(exact) != 1:
        yield f"{name}: {len(exact)} ends in the audit trail"
    wanted = run["config"]["num-server-rounds"]
    if run["status"] == "completed" and not run["round"] == run["rounds"] == wanted:
        yield f"{name}: completed in round {run['round']} of {run['rounds']}"
    if run["status"] != "completed" and not (run["why"] and run["cause_code"] and run["evidence"]):
        yield f"{name}: no cause, code or evidence: {run}"


def of_all(federation: Crashable, runs: list[int]) -> list[str]:
    """The troubles of all runs, and those of the whole: doubled submissions, a broken trail."""
    found = [trouble for number in runs for trouble in troubles(federation, number)]
    known = sorted(str(fact.run_id) for fact in federation.flower_runs())
    ours = [run["flower_run_id"] for run in federation.get("runs", limit=500)["runs"]]
    if known != sorted(number for number in ours if number):
        found.append(f"Flower has the runs {known}, our rows {ours}")
    verdict = federation.get("audit/verify")
    if not verdict["good"]:
        found.append(verdict["sentence"])
    return found


def pause(seconds: float) -> None:
    """A moment of the seed, not of the machine: when the next kill comes."""
    time.sleep(seconds)
