"""The SuperLink and its executor: start, stop, survive.

Two supervised programs belong together: `flower-superlink` keeps the state, our own
`flower-superexec` runs the ServerApps (so a run survives a crash of either). The admin's wish is
kept in the database: what was up is up again after a restart of ours, adopted where it still lives.
Surprise: the SuperLink's port authenticates nobody, so it listens on loopback only.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping

from blossomtune_gradio.errors import (
    BlossomError,
    FlowerError,
    FlowerUnreachable,
    NotPossible,
    ProcessFailed,
)
from blossomtune_gradio.flower.lines.diagnosis import program_cause
from blossomtune_gradio.flower.lines.noise import is_noise
from blossomtune_gradio.flower.link.control import FlowerControl
from blossomtune_gradio.flower.link.messages import MessageBox
from blossomtune_gradio.identity import SYSTEM, Role, User, require
from blossomtune_gradio.logs import FileFollower, LogStore
from blossomtune_gradio.processes import (
    ProcessSupervisor,
    State,
    Status,
    died_unseen,
    is_free,
)
from blossomtune_gradio.services.audit.trail import AuditLog
from blossomtune_gradio.services.flower_programs import EXECUTOR, SUPERLINK, FlowerPrograms
from blossomtune_gradio.services.options import Options
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.tls import ServerCredentials

CONNECTION = "blossomtune"  # the name the SuperLink has in Flower's own config.toml


class FederationService:
    """Owner of the SuperLink, its executor and the connection to both."""

    def __init__(
        self,
        settings: Settings,
        options: Options,
        logs: LogStore,
        credentials: ServerCredentials,
        environments: tuple[Mapping[str, str], Mapping[str, str]],
        on_change: Callable[[], None],
        audit: AuditLog,
    ) -> None:
        """`environments`: that of Flower's programs, and that of the ServerApps."""
        self._settings, self._options, self._logs = settings, options, logs
        self._audit = audit
        self._on_change = on_change
        self._programs = FlowerPrograms(settings, credentials, *environments)
        self.home = self._programs.home
        self.box = MessageBox(self._programs.database)
        self._records = settings.data_dir / "processes"
        self._superlink = ProcessSupervisor(self._records, on_change=self._changed)
        self._executor = ProcessSupervisor(self._records, on_change=self._changed)
        self._followers = [
            FileFollower(logs, name, self._programs.output(name), is_noise=is_noise)
            for name in (SUPERLINK, EXECUTOR)
        ]
        self._lock = threading.Lock()  # one start or stop at a time
        self._control: FlowerControl | None = None
        self._port = 0

    # -- life ------------------------------------------------------------------------------

    def open(self) -> None:
        """Take over what still runs, start again what should run."""
        for follower in self._followers:
            follower.start()
        self._port = self._options.superlink_port()
        if not self._port:
            self._discard_leftovers()
            return
        with self._lock:
            self._note_unseen_ends()
            if self._superlink.adopt(self._programs.superlink(self._port)):
                self._connect()
                self._start_executor()
                return
        try:
            self.start(by=SYSTEM)
        except BlossomError as error:  # the page must come up all the same, and say why
            self._options.remember_superlink(self._port, SYSTEM, "still wanted: tried again later")
            self._logs.append("blossomtune", [f"ERROR: The SuperLink did not start: {error}"])

    def close(self) -> None:
        """End the programs; the wish stays, so the next start of ours brings them up again."""
        try:
            with self._lock:
                if self._superlink.status.state is State.RUNNING:
                    self._audit.note(SYSTEM, "superlink.pause", "process:superlink")
                self._end_programs()
            self._superlink.close()
            self._executor.close()
        finally:
            for follower in self._followers:
                follower.stop()

    # -- what an admin does ----------------------------------------------------------------

    def start(self, by: User) -> None:
        """Start SuperLink and executor; returns when both are ready (seconds).

        Raises:
            NotPossible: it is up or coming up already.
            ProcessFailed: it did not become ready; the sentence says why, nothing is left.
        """
        require(by, Role.ADMIN, "start the SuperLink")
        with self._lock:
            if self._superlink.status.state not in (State.STOPPED, State.EXITED, State.FAILED):
                raise NotPossible(f"The SuperLink is {self._superlink.status.state} already.")
            self._port = self._choose_port()
            self._options.remember_superlink(self._port, by)
            self._logs.append("blossomtune", [f"{by.name} starts the SuperLink."])
            try:
                self._start_programs()
            except BlossomError as error:
                self._options.remember_superlink(0, SYSTEM, f"It did not start: {error}"[:500])
                self._end_programs()
                raise _explained(error) from error
        self._on_change()

    def stop(self, by: User) -> None:
        """Stop both. Sites reconnect by themselves when the SuperLink is started again."""
        require(by, Role.ADMIN, "stop the SuperLink")
        self._options.remember_superlink(0, by)
        with self._lock:
            self._logs.append("blossomtune", [f"{by.name} stops the SuperLink."])
            self._end_programs()
        self._on_change()

    # -- what others ask -------------------------------------------------------------------

    @property
    def superlink(self) -> Status:
        """State of the SuperLink's process."""
        return self._superlink.status

    @property
    def executor(self) -> Status:
        """State of the SuperExec's process."""
        return self._executor.status

    @property
    def running(self) -> bool:
        """Both are up: a run can start."""
        return self._superlink.status.state is State.RUNNING is self._executor.status.state

    @property
    def upstream(self) -> str | None:
        """Where the gateway sends the SuperNodes, or None when there is nobody."""
        alive = self._superlink.status.state in (State.STARTING, State.RUNNING)
        return f"https://127.0.0.1:{self._port}" if alive and self._port else None

    @property
    def control(self) -> FlowerControl:
        """The Control API of the running SuperLink.

        Raises:
            FlowerUnreachable: it is not running.
        """
        if self._control is None or self._superlink.status.state is not State.RUNNING:
            raise FlowerUnreachable("The SuperLink is not running. Start it on the Admin page.")
        return self._control

    # -- inside ----------------------------------------------------------------------------

    def _start_programs(self) -> None:
        self._superlink.start(self._programs.superlink(self._port))
        self._superlink.wait(State.RUNNING, seconds=self._settings.ready_seconds + 5)
        self._connect()
        self._start_executor()
        self._executor.wait(State.RUNNING, seconds=self._settings.ready_seconds)

    def _start_executor(self) -> None:
        """Or adopt the one that outlived us, with the ServerApps below it."""
        if not self._executor.adopt(self._programs.executor(self._port)):
            self._executor.start(self._programs.executor(self._port))

    def _end_programs(self) -> None:
        """Executor first, so that it does not complain about a missing SuperLink."""
        if self._control is not None:
            self._control.close()  # a SuperLink waits for open connections before it ends
            self._control = None
        errors = []
        for program in (self._executor, self._superlink):
            try:
                program.stop()
            except ProcessFailed as error:
                errors.append(str(error))
        if errors:
            raise ProcessFailed(" ".join(errors))

    def _connect(self) -> None:
        self._control = self._programs.connect(self._port)
        self._programs.tell_flwr(CONNECTION, self._port)

    def _discard_leftovers(self) -> None:
        """A crash of ours between a stop and its end may have left a program behind."""
        for supervisor, program in (
            (self._executor, self._programs.executor(self._port)),
            (self._superlink, self._programs.superlink(self._port)),
        ):
            if supervisor.adopt(program):
                supervisor.stop()

    def _changed(self, status: Status) -> None:
        reason = f": {status.reason}" if status.reason else ""
        self._logs.append("blossomtune", [f"{status.name} is {status.state}{reason}"])
        if status.state in (State.EXITED, State.FAILED):
            self._note_exit(status)
        if status.name == SUPERLINK and status.state is State.RUNNING:
            self._offer_answers_again()
        self._on_change()

    def _offer_answers_again(self) -> None:
        try:
            count = self.box.offer_answers_again()
        except FlowerError as error:
            self._logs.append("blossomtune", [f"ERROR: {error}"])
            return
        if count:
            self._logs.append(
                "blossomtune", [f"{count} answer(s) the last SuperLink died with are offered again"]
            )

    def _note_exit(self, status: Status) -> None:
        """A program ended although nobody asked it to."""
        said = {
            "state": status.state.value,
            "exit_code": status.exit_code,
            "reason": status.reason[:500],
        }
        process = f"process:{status.name}"
        self._audit.note(SYSTEM, "process.exit", process, target_name=status.name, after=said)

    def _note_unseen_ends(self) -> None:
        """After a crash or a power cut: what ended besides us, for the audit and for the runs."""
        for name in (SUPERLINK, EXECUTOR):
            if died_unseen(self._records, name):
                said = {
                    "state": State.FAILED.value,
                    "exit_code": None,
                    "reason": f"{name} had ended when BlossomTune started again: a crash or a "
                    "power cut ended both.",
                }
                process = f"process:{name}"
                self._audit.note(SYSTEM, "process.exit", process, target_name=name, after=said)

    def _choose_port(self) -> int:
        """The one before a crash of ours, if it may be: programs that outlived us look there.

        Where it must be another, an executor that outlived us is of no use, and is ended.
        """
        last, fixed = self._options.superlink_port(), self._settings.superlink_port
        if last and (last == fixed or (not fixed and is_free(last))):
            return last
        if last and self._executor.adopt(self._programs.executor(self._port)):
            self._executor.stop()
        return fixed or self._free_port()

    def _free_port(self) -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        return port


def _explained(error: BlossomError) -> BlossomError:
    """The same, with cause and next step after the first sentence if its last words tell them."""
    first, *rest = str(error).split("\n")
    cause = program_cause("The SuperLink", [first, *rest])
    if cause is None:
        return error
    return ProcessFailed("\n".join([f"{first} {cause.text}", *rest]))
