"""The SuperLink of this machine and its executor: supervised, adopted, asked.

Two programs belong together: `flower-superlink` keeps the state, our own `flower-superexec` runs
the ServerApps (so a run survives a crash of either). Whether they should be up is decided by the
`FederationService`, which is also the one that calls `start` and `stop`, one at a time. Surprise:
the SuperLink's port authenticates nobody, so it listens on loopback only.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from blossomtune_gradio.background import Loop
from blossomtune_gradio.errors import FlowerError, FlowerUnreachable, ProcessFailed
from blossomtune_gradio.flower.lines.noise import is_noise
from blossomtune_gradio.flower.link.control import FlowerControl
from blossomtune_gradio.flower.link.messages import MessageBox
from blossomtune_gradio.logs import FileFollower, LogStore
from blossomtune_gradio.processes import FINAL, ProcessSupervisor, State, Status, is_free
from blossomtune_gradio.services.runtimes.ends import ProgramEnds
from blossomtune_gradio.services.runtimes.programs import EXECUTOR, SUPERLINK, FlowerPrograms
from blossomtune_gradio.services.runtimes.runtime import FlwrConnection, RunProgram
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.tls import ServerCredentials

CONNECTION = "blossomtune"  # the name the SuperLink has in Flower's own config.toml


class SuperLink:
    """Owner of both programs and of the connection to them."""

    def __init__(
        self,
        settings: Settings,
        logs: LogStore,
        credentials: ServerCredentials,
        environments: tuple[Mapping[str, str], Mapping[str, str]],
        ends: ProgramEnds,
        on_change: Callable[[], None],
    ) -> None:
        """`environments`: that of Flower's programs, and that of the ServerApps."""
        self._settings, self._logs, self._ends = settings, logs, ends
        self._on_change = on_change
        self._programs = FlowerPrograms(settings, credentials, *environments)
        self.connection = FlwrConnection(CONNECTION, self._programs.home, environments[0])
        self.messages = MessageBox(self._programs.database)
        records = settings.data_dir / "processes"
        self._superlink = ProcessSupervisor(records, on_change=self._changed)
        self._executor = ProcessSupervisor(records, on_change=self._changed)
        self._followers = [
            FileFollower(logs, name, self._programs.output(name), is_noise=is_noise)
            for name in (SUPERLINK, EXECUTOR)
        ]
        self._control: FlowerControl | None = None
        self._port = 0

    # -- life ------------------------------------------------------------------------------

    @property
    def loops(self) -> list[Loop]:
        """What copies the programs' output into the logs."""
        return [follower.loop for follower in self._followers]

    def open(self) -> None:
        """Begin to read what both programs write."""
        for follower in self._followers:
            follower.start()

    def adopt(self, port: int) -> bool:
        """Take over what a crash of ours left on this port; False when there is none."""
        self._port = port
        self._ends.note_unseen((SUPERLINK, EXECUTOR))
        if not self._superlink.adopt(self._programs.superlink(port)):
            return False
        self._connect()
        self._start_executor()
        return True

    def choose_port(self, last: int) -> int:
        """The one before a crash of ours, if it may be: programs that outlived us look there.

        Where it must be another, an executor that outlived us is of no use, and is ended.
        """
        fixed = self._settings.superlink_port
        if last and (last == fixed or (not fixed and is_free(last))):
            return last
        if last and self._executor.adopt(self._programs.executor(self._port)):
            self._executor.stop()
        return fixed or _free_port()

    def start(self, port: int) -> None:
        """Start both; returns when both are ready (seconds). Raises ProcessFailed."""
        self._port = port
        self._superlink.start(self._programs.superlink(port))
        self._superlink.wait(State.RUNNING, seconds=self._settings.ready_seconds + 5)
        self._connect()
        self._start_executor()
        self._executor.wait(State.RUNNING, seconds=self._settings.ready_seconds)
        self._on_change()

    def stop(self) -> None:
        """End both, the executor first, so that it does not complain about a missing SuperLink.

        Raises:
            ProcessFailed: one of them would not end; the other one has.
        """
        if self._control is not None:
            self._control.close()  # a SuperLink waits for open connections before it ends
            self._control = None
        errors = []
        for program in (self._executor, self._superlink):
            try:
                program.stop()
            except ProcessFailed as error:
                errors.append(str(error))
        self._on_change()
        if errors:
            raise ProcessFailed(" ".join(errors))

    def discard_leftovers(self) -> None:
        """A crash of ours between a stop and its end may have left a program behind."""
        for supervisor, program in (
            (self._executor, self._programs.executor(self._port)),
            (self._superlink, self._programs.superlink(self._port)),
        ):
            if supervisor.adopt(program):
                supervisor.stop()

    def close(self) -> None:
        """End both for now: whoever opens this data directory next brings them up again."""
        try:
            if self.status.state is State.RUNNING:
                self._ends.note_pause(SUPERLINK)
            self.stop()
            self._superlink.close()
            self._executor.close()
        finally:
            for follower in self._followers:
                follower.stop()

    # -- what others ask -------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """State of the SuperLink's process."""
        return self._superlink.status

    @property
    def executor(self) -> Status:
        """State of the executor's process."""
        return self._executor.status

    @property
    def programs(self) -> tuple[RunProgram, RunProgram]:
        """Both, as the runs above them see them."""
        return (
            RunProgram(SUPERLINK, "SuperLink", self.status),
            RunProgram(EXECUTOR, "Executor", self.executor, hosts_apps=True),
        )

    @property
    def is_down(self) -> bool:
        """It may be started."""
        return self.status.state in FINAL

    @property
    def running(self) -> bool:
        """Both are up: a run can start."""
        return self.status.state is State.RUNNING is self.executor.state

    @property
    def upstream(self) -> str | None:
        """Where the gateway sends the SuperNodes, or None when there is nobody."""
        alive = self.status.state in (State.STARTING, State.RUNNING)
        return f"https://127.0.0.1:{self._port}" if alive and self._port else None

    @property
    def control(self) -> FlowerControl:
        """The Control API of the running SuperLink.

        Raises:
            FlowerUnreachable: it is not running.
        """
        if self._control is None or self.status.state is not State.RUNNING:
            raise FlowerUnreachable("The SuperLink is not running. Start it on the Admin page.")
        return self._control

    # -- inside ----------------------------------------------------------------------------

    def _start_executor(self) -> None:
        """Or adopt the one that outlived us, with the ServerApps below it."""
        if not self._executor.adopt(self._programs.executor(self._port)):
            self._executor.start(self._programs.executor(self._port))

    def _connect(self) -> None:
        self._control = self._programs.connect(self._port)
        self._programs.tell_flwr(CONNECTION, self._port)

    def _changed(self, status: Status) -> None:
        reason = f": {status.reason}" if status.reason else ""
        self._logs.append("blossomtune", [f"{status.name} is {status.state}{reason}"])
        if status.state in (State.EXITED, State.FAILED):
            self._ends.note(status)
        if status.name == SUPERLINK and status.state is State.RUNNING:
            self._offer_answers_again()
        self._on_change()

    def _offer_answers_again(self) -> None:
        try:
            count = self.messages.offer_answers_again()
        except FlowerError as error:
            self._logs.append("blossomtune", [f"ERROR: {error}"])
            return
        if count:
            self._logs.append(
                "blossomtune", [f"{count} answer(s) the last SuperLink died with are offered again"]
            )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
