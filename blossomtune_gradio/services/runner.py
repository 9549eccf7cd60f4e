"""Takes queued runs to Flower and follows each to its end.

One thread admits (one run at a time, oldest first), one more follows the active run: it copies the
run's log, turns it into points and writes down how it ended. Every step can be repeated after a
crash. Surprise: Flower calls a run *completed* even if every client failed; `judged` looks at the
replies and says so.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select

from blossomtune_gradio.errors import BlossomError
from blossomtune_gradio.flower import commands
from blossomtune_gradio.flower.apps import AppCatalogue, write_run_config
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.processes import ProcessSupervisor, Program, State
from blossomtune_gradio.services.federation import CONNECTION, FederationService
from blossomtune_gradio.services.follower import RunFollower
from blossomtune_gradio.services.metrics import MetricService
from blossomtune_gradio.services.sites import SiteService
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import Run, RunStatus

_SUBMIT_SECONDS = 120.0
_ACTIVE = (RunStatus.SUBMITTED.value, RunStatus.RUNNING.value)


class Runner:
    """The queue and its one slot."""

    def __init__(
        self,
        database: Database,
        apps: AppCatalogue,
        federation: FederationService,
        metrics: MetricService,
        logs: LogStore,
        environment: Mapping[str, str],
        folder: Path,
        sites: SiteService,
    ) -> None:
        self._database, self._apps, self._federation = database, apps, federation
        self._metrics, self._logs, self._environment = metrics, logs, environment
        self._folder, self._sites = folder, sites
        self._submit = ProcessSupervisor(folder.parent / "processes")
        self._wake, self._ending = threading.Event(), threading.Event()
        self._follower: RunFollower | None = None
        self._thread = threading.Thread(target=self._serve, name="runner", daemon=True)

    def open(self) -> None:
        """Go on where the last program of ours ended."""
        self._thread.start()

    def close(self) -> None:
        """Stop admitting and following; the runs themselves go on."""
        self._ending.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(30)
        self._submit.close()

    def wake(self) -> None:
        """Something changed: look at the queue now."""
        self._wake.set()

    def waiting_for(self, run: Run) -> str:
        """Why a run that has not ended does not move, as a sentence, or ""."""
        if run.status is RunStatus.QUEUED:
            if not self._federation.running:
                return "Waits for the SuperLink. Start it on the Admin page."
            active = self._first(*_ACTIVE)
            return f"Waits for {active.name} to end." if active else ""
        if run.status.is_end:
            return ""
        follower = self._follower
        waiting = follower.waiting if follower and follower.run_id == run.id else None
        if waiting is not None:
            lack = f"Needs {waiting.required} sites, {waiting.connected} online."
        elif not self._federation.running:
            return "Waits for the SuperLink, which is not running. Start it on the Admin page."
        elif not self._sites.anybody_online():
            lack = "No site is online."
        else:
            return ""
        return f"{lack} {self._sites.missing()} Start the missing SuperNode(s), or stop the run."

    # -- the thread ------------------------------------------------------------------------

    def _serve(self) -> None:
        while not self._ending.is_set():
            try:
                self._step()
            except Exception as error:  # noqa: BLE001 - one bad run must not wedge the queue
                self._tell(f"The queue stumbled: {error!r}")
            self._wake.wait(1.0)
            self._wake.clear()

    def _step(self) -> None:
        run = self._first(*_ACTIVE)
        if run is None and self._federation.running:
            run = self._first(RunStatus.QUEUED.value)
            if run is not None:
                self._change(run, RunStatus.SUBMITTED)
        if run is None:
            return
        if run.flower_run_id is None:
            run = self._submitted(run)
        if run is not None:
            self._follow(run)

    def _follow(self, run: Run) -> None:
        self._follower = RunFollower(
            run, self._database, self._federation, self._metrics, self._logs, self._ending
        )
        try:
            status, cause = self._follower.to_the_end()
        finally:
            self._follower = None
        if status is not None:
            self._change(run, status, cause)

    def _submitted(self, run: Run) -> Run | None:
        """Run `flwr run`; the row with Flower's run id, or None when Flower did not take it."""
        output = self._folder / str(run.id) / "submit.out"
        try:
            if not output.exists():  # else: a crash of ours came between the answer and our note
                self._call_flwr(run, output)
            flower_id = commands.parse_run_output(output.read_text(errors="replace"))
        except BlossomError as error:
            self._logs.append(_source(run), [f"ERROR: {error}"])
            self._change(run, RunStatus.FAILED, f"Flower did not take the run: {error}")
            return None
        with self._database.write() as session:
            row = session.get_one(Run, run.id)
            row.flower_run_id = str(flower_id)
        return row

    def _call_flwr(self, run: Run, output: Path) -> None:
        output.parent.mkdir(parents=True, exist_ok=True)
        config = output.with_name("run.toml")
        write_run_config(config, run.config)
        argv = commands.run_argv(self._apps.get(run.app).path, CONNECTION, config)
        command = commands.shown_command(argv)
        self._logs.append(_source(run), [f"$ {command}"])
        with self._database.write() as session:
            session.get_one(Run, run.id).command = command
        self._submit.start(
            Program(
                name="flwr-run",
                argv=tuple(argv),
                env=self._environment,
                cwd=output.parent,
                output=output,
            )
        )
        self._submit.wait(State.EXITED, State.FAILED, seconds=_SUBMIT_SECONDS)
        self._logs.append(_source(run), output.read_text(errors="replace").splitlines())

    def _first(self, *states: str) -> Run | None:
        query = select(Run).where(Run.status_word.in_(states)).order_by(Run.id).limit(1)
        with self._database.read() as session:
            return session.scalar(query)

    def _change(self, run: Run, status: RunStatus, cause: str = "") -> None:
        with self._database.write() as session:
            row = session.get_one(Run, run.id)
            if row.status is not status:
                row.move_to(status, cause)
        self._tell(f"{run.name} is {status}{': ' + cause if cause else ''}")

    def _tell(self, sentence: str) -> None:
        self._logs.append("blossomtune", [sentence])


def _source(run: Run) -> str:
    return f"run-{run.id}"
