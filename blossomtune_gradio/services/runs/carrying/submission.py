"""One run on its way to Flower: `flwr run` as a child program, and its answer.

Each step can be repeated after a crash, and a run is never given to Flower twice. Surprise: a
`flwr run` that was killed may have done its work, so a missing answer is looked for in Flower
itself: there the run has our configuration, our bundle and a number that no row of ours has.
"""

from __future__ import annotations

import threading
import time

from blossomtune_gradio.errors import BlossomError, FlowerError, FlowerUnreachable
from blossomtune_gradio.flower.apps.catalogue import write_run_config
from blossomtune_gradio.flower.link import commands
from blossomtune_gradio.flower.link.facts import RunFact
from blossomtune_gradio.flower.link.failures import FlowerRefused
from blossomtune_gradio.processes import ProcessSupervisor, Program, State
from blossomtune_gradio.services.runs.book import wish_of
from blossomtune_gradio.services.runs.carrying.tools import Tools
from blossomtune_gradio.services.runs.judging.end import Verdict
from blossomtune_gradio.services.runs.judging.verdict import refused, stopped
from blossomtune_gradio.services.runtimes.runtime import Incident, Runtime
from blossomtune_gradio.store.models import Run

CUT_OFF = "flwr run was cut off before Flower had the run: it is started again."
_SUBMIT_SECONDS = 120.0
_SETTLED = 2.0  # seconds until a request of a killed program has been dealt with, or never will be
_TRIES = 3
_LATER = 3.0  # seconds until Flower is asked again that could not
_OVER = (State.EXITED, State.FAILED, State.STOPPED)


class Submission:
    """Gives one run to Flower and notes Flower's number for it."""

    def __init__(self, run: Run, runtime: Runtime, tools: Tools, ending: threading.Event) -> None:
        self._run_id, self._runtime, self._tools, self._ending = run.id, runtime, tools, ending
        self._child = ProcessSupervisor(tools.records)
        self._folder = tools.folders.of(run)
        self._lost = 0  # answers

    def work(self, run: Run) -> Verdict | None:
        """One try; a verdict when Flower did not take the run.

        None when Flower has it, when it is to be tried again, and when we are told to leave.
        """
        try:
            if not self._folder.answer.exists():
                self._call_flwr(run)
            else:  # from before a crash of ours; where nothing runs any more, its answer is there
                self._child.adopt(self._program(run))
            self._wait_for_answer()
            if self._ending.is_set():
                return None
            return self._take(self._tools.book.get(run.id), self._said())
        except BlossomError as error:
            self._tools.book.say(run.id, f"ERROR: {error}")
            said = self._said() if self._folder.answer.exists() else ""
            return refused(error, tuple(line for line in said.splitlines() if line.strip()))

    def close(self) -> None:
        """End a `flwr run` that is left."""
        self._child.close()

    # -- inside ----------------------------------------------------------------------------

    def _call_flwr(self, run: Run) -> None:
        self._folder.make()
        app = self._tools.apps.get(run.app)
        program = self._program(run)
        command = commands.shown_command(program.argv)
        write_run_config(self._folder.values, run.config)
        self._tools.book.say(run.id, f"$ {command}")
        with self._tools.book.change(run.id) as (_, row):
            row.command = command
            row.app_hash, row.app_version = app.bundle_hash, app.version
        self._child.start(program)

    def _program(self, run: Run) -> Program:
        argv = self._runtime.submission(self._tools.apps.get(run.app).path, self._folder.values)
        return Program(
            name=f"flwr-run-{run.id}",
            argv=tuple(argv),
            env=self._runtime.connection.environment,
            cwd=self._folder.path,
            output=self._folder.answer,
        )

    def _wait_for_answer(self) -> None:
        """Until `flwr run` has ended; it is ended when somebody stops the run, or we leave."""
        deadline = time.monotonic() + _SUBMIT_SECONDS
        while self._child.status.state not in _OVER and not self._ending.wait(0.1):
            if self._tools.book.get(self._run_id).stop_asked_by:
                self._child.stop()
            if time.monotonic() > deadline:
                self._child.stop()
                self._lost = _TRIES  # whatever held it up would do so again
                return

    def _take(self, run: Run, said: str) -> Verdict | None:
        """Note the answer, or find out what became of a run without one."""
        try:
            number = commands.parse_run_output(said)
            if not self._tools.book.claim(run.id, number):
                raise FlowerError(f"Another run of the same app and values was taken for {number}.")
        except FlowerError as error:
            if isinstance(error, FlowerRefused) and error.code:
                raise  # Flower's own no
            found = self._found_in_flower(run)
            if found is None:
                return self._unanswered(run, error)
            said += f"The answer of flwr run was lost; Flower has the run as {found}."
        self._tools.book.say(run.id, *said.splitlines())
        return None

    def _unanswered(self, run: Run, error: FlowerError) -> Verdict | None:
        """Flower does not have it: the end, or one more try if somebody killed a program of us."""
        if run.stop_asked_by:
            return stopped(wish_of(run))
        if self._ending.is_set():
            return None
        if isinstance(error, FlowerUnreachable):  # it will be able to, so this is no try
            self._tools.book.say(run.id, str(error))
            self._folder.answer.unlink(missing_ok=True)
            self._ending.wait(_LATER)
            return None
        self._lost += 1
        killed = not isinstance(error, FlowerRefused) or bool(self._incidents(run))
        if not killed or self._lost >= _TRIES:
            raise error
        self._tools.book.tell(f"The flwr run of {run.name} was cut off: it is started again.")
        self._tools.book.say(run.id, CUT_OFF)
        self._folder.answer.unlink(missing_ok=True)
        return None

    def _found_in_flower(self, run: Run) -> int | None:
        """The run that a killed `flwr run` left there, claimed. Waits for a SuperLink that is away.

        Of two equal runs either may be found for either row: they differ in nothing but their name.
        """
        began = self._folder.values.stat().st_mtime
        deadline = time.monotonic() + _SETTLED
        while not self._ending.is_set():
            try:
                facts = self._runtime.control.runs(limit=100)
            except FlowerUnreachable:
                deadline = time.monotonic() + _SETTLED
                if self._tools.book.get(run.id).stop_asked_by:
                    return None
                facts = []
            for fact in reversed(facts):  # the oldest first
                if _is_of(run, fact, began) and self._tools.book.claim(run.id, fact.run_id):
                    return fact.run_id
            if time.monotonic() > deadline:
                return None
            self._ending.wait(0.5)
        return None

    def _incidents(self, run: Run) -> list[Incident]:
        return self._runtime.incidents(self._tools.book.slot_since(run))

    def _said(self) -> str:
        said = self._folder.answer.read_text("utf-8", "replace")
        return said if not said or said.endswith("\n") else f"{said}\n"


def _is_of(run: Run, fact: RunFact, began: float) -> bool:
    """Whether Flower's run can be what `flwr run` of this row made."""
    if fact.pending_at is None or fact.pending_at.timestamp() < began - 1:
        return False
    return fact.fab_hash == run.app_hash and dict(fact.config) == run.config
