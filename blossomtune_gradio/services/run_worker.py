"""One run in its slot: handed to Flower, followed, ended. A thread of its own.

Every step can be repeated after a crash. Surprise: an error of ours must neither end a run that
goes well nor hold its slot for ever, so the work is tried again some times before it is given up.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from blossomtune_gradio.errors import BlossomError, ProcessFailed
from blossomtune_gradio.flower import commands
from blossomtune_gradio.flower.apps import AppCatalogue, write_run_config
from blossomtune_gradio.flower.messages import MessageBox
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.processes import ProcessSupervisor, Program, State
from blossomtune_gradio.services.federation import CONNECTION, FederationService
from blossomtune_gradio.services.follower import RunFollower
from blossomtune_gradio.services.metrics import MetricService
from blossomtune_gradio.services.run_book import RunBook, wish_of
from blossomtune_gradio.services.run_watch import AGAIN, RunWatcher
from blossomtune_gradio.services.sites import SiteService
from blossomtune_gradio.services.verdict import Verdict, refused, stopped, stumbled
from blossomtune_gradio.store.models import Run

_SUBMIT_SECONDS = 120.0
_TRIES, _PAUSE = 3, 2.0
_OVER = (State.EXITED, State.FAILED, State.STOPPED)


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What every worker needs; made once."""

    book: RunBook
    apps: AppCatalogue
    federation: FederationService
    metrics: MetricService
    logs: LogStore
    sites: SiteService
    box: MessageBox
    environment: Mapping[str, str]
    folder: Path  # a sub-folder for each run
    records: Path  # of child programs


class RunWorker:
    """Takes one submitted run to its end."""

    def __init__(self, run: Run, tools: Tools, on_end: Callable[[], None]) -> None:
        self.run_id, self._tools, self._on_end = run.id, tools, on_end
        self.watcher = RunWatcher(run.id, tools.book, tools.sites, tools.box)
        self._submit = ProcessSupervisor(tools.records)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"run-{run.id}", daemon=True)

    def start(self) -> None:
        """Begin, or go on where the last program of ours ended."""
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """True when its slot is free again."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """Stop following; the run itself goes on."""
        self._ending.set()

    def join(self, seconds: float) -> None:
        """Wait until its thread has gone and no `flwr run` is left."""
        if self._thread.is_alive():
            self._thread.join(seconds)
        self._submit.close()

    # -- the thread ------------------------------------------------------------------------

    def _serve(self) -> None:
        tries = 0
        while not self._ending.is_set():
            try:
                self._work()
                break
            except Exception as error:  # noqa: BLE001 - one bad run must not wedge the queue
                tries += 1
                self._tools.book.tell(f"ERROR: Run {self.run_id} stumbled: {error!r}")
                if tries >= _TRIES and self._give_up(error):
                    break
                self._ending.wait(_PAUSE)
        self._on_end()

    def _work(self) -> None:
        book = self._tools.book
        while not self._ending.is_set():
            run = book.get(self.run_id)
            if run.status.is_end:
                return
            verdict = self._submitted(run) if run.flower_run_id is None else None
            if verdict is None and not self._ending.is_set():
                verdict = self._follow(book.get(self.run_id))
            if verdict is not None:
                book.end(self.run_id, verdict)

    def _follow(self, run: Run) -> Verdict | None:
        tools = self._tools
        follower = RunFollower(
            run,
            tools.book,
            tools.federation,
            tools.metrics,
            tools.logs,
            self.watcher,
            self._ending,
        )
        verdict = follower.to_the_end()
        if verdict is None and tools.book.get(run.id).stop_reason == AGAIN:
            self._begin_anew()
        return verdict

    def _begin_anew(self) -> None:
        """Flower's run is over; the next round of `_work` submits with the changed values."""
        with self._tools.book.change(self.run_id) as (_, run):
            if run.stop_asked_by or self._ending.is_set():
                return
            shutil.rmtree(self._folder, ignore_errors=True)
            run.flower_run_id, run.stop_reason = None, ""
            run.round, run.round_began_at = 0, None

    def _submitted(self, run: Run) -> Verdict | None:
        """Run `flwr run` and note Flower's run id; a verdict when Flower did not take it."""
        output = self._folder / "submit.out"
        try:
            if not output.exists():
                self._call_flwr(run, output)
            elif not self._adopted(run, output):
                pass  # a crash of ours came between the answer and our note
            self._wait_for_answer()
            if self._ending.is_set():
                return None
            current = self._tools.book.get(run.id)
            text = output.read_text(errors="replace")
            if current.stop_asked_by and '"run-id"' not in text:
                return stopped(wish_of(current))
            flower_id = commands.parse_run_output(text)
        except BlossomError as error:
            self._tools.book.say(run.id, f"ERROR: {error}")
            said = output.read_text(errors="replace").splitlines() if output.exists() else []
            return refused(error, tuple(line for line in said if line.strip()))
        with self._tools.book.change(run.id) as (_, row):
            row.flower_run_id = str(flower_id)
        self._tools.book.say(run.id, *text.splitlines())
        return None

    def _call_flwr(self, run: Run, output: Path) -> None:
        output.parent.mkdir(parents=True, exist_ok=True)
        app = self._tools.apps.get(run.app)
        program = self._program(run, output)
        command = commands.shown_command(program.argv)
        write_run_config(output.with_name("run.toml"), run.config)
        self._tools.book.say(run.id, f"$ {command}")
        with self._tools.book.change(run.id) as (_, row):
            row.command = command
            row.app_hash, row.app_version = app.bundle_hash, app.version
        self._submit.start(program)

    def _adopted(self, run: Run, output: Path) -> bool:
        """Whether the `flwr run` of an earlier program of ours is still at it."""
        return self._submit.adopt(self._program(run, output))

    def _program(self, run: Run, output: Path) -> Program:
        config = output.with_name("run.toml")
        argv = commands.run_argv(self._tools.apps.get(run.app).path, CONNECTION, config)
        return Program(
            name=f"flwr-run-{run.id}",
            argv=tuple(argv),
            env=self._tools.environment,
            cwd=output.parent,
            output=output,
        )

    def _wait_for_answer(self) -> None:
        """Until `flwr run` has ended; it is ended when somebody stops the run, or we leave."""
        deadline = time.monotonic() + _SUBMIT_SECONDS
        while self._submit.status.state not in _OVER and not self._ending.wait(0.1):
            if self._tools.book.get(self.run_id).stop_asked_by:
                self._submit.stop()
            if time.monotonic() > deadline:
                self._submit.stop()
                raise ProcessFailed(f"flwr run did not answer within {_SUBMIT_SECONDS:g} s.")

    def _give_up(self, error: Exception) -> bool:
        """End a run that we cannot go on with, so that its slot is free. False: not even that."""
        try:
            run = self._tools.book.get(self.run_id)
            if run.flower_run_id is not None:
                self._tools.federation.control.stop(int(run.flower_run_id))
        except Exception as other:  # noqa: BLE001 - Flower may be what is broken
            self._tools.book.tell(f"ERROR: Run {self.run_id} could not be stopped: {other!r}")
        try:
            self._tools.book.end(self.run_id, stumbled(error))
        except Exception:  # noqa: BLE001 - the database may be what is broken; it is tried again
            return False
        return True

    @property
    def _folder(self) -> Path:
        return self._tools.folder / str(self.run_id)
