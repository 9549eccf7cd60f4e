"""How the two programs of the federation are started: `flower-superlink` and `flower-superexec`.

Arguments, environment, ports and where their output goes; nothing is started here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from blossomtune_gradio.flower.link import commands
from blossomtune_gradio.flower.link.control import FlowerControl
from blossomtune_gradio.processes import Program
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.tls import ServerCredentials, make_secret_file

SUPERLINK, EXECUTOR = "superlink", "executor"


def work_folder(home: Path) -> Path:
    """The folder whose sub-folders are the working folders of runs, by Flower's number."""
    return home / "work"


class FlowerPrograms:
    """What the supervisor is told about both, for a port of the SuperLink."""

    def __init__(
        self,
        settings: Settings,
        credentials: ServerCredentials,
        environment: Mapping[str, str],
        of_apps: Mapping[str, str],
    ) -> None:
        """`of_apps`: the executor's environment, which ServerApps inherit."""
        self._credentials, self._environments = credentials, {SUPERLINK: environment}
        self._environments[EXECUTOR] = of_apps
        self._ready_seconds = settings.ready_seconds
        self.home = settings.data_dir / "flower"
        self.database = self.home / "superlink.db"
        self._secret = make_secret_file(self.home / "superexec.secret")
        self._raw = settings.data_dir / "logs" / "raw"
        self._raw.mkdir(parents=True, exist_ok=True)

    def superlink(self, port: int) -> Program:
        """The SuperLink on this port; ready once it answers there."""
        argv = commands.superlink_argv(port, self._credentials, self.database, self._secret)
        ports = (port,) if port else ()
        return self._program(SUPERLINK, argv, ports=ports, ready=lambda: self._is_healthy(port))

    def executor(self, port: int) -> Program:
        """The executor of the SuperLink on this port."""
        argv = commands.superexec_argv(port, self._credentials, self._secret)
        return self._program(EXECUTOR, argv)

    def connect(self, port: int) -> FlowerControl:
        """The Control API of the SuperLink on this port."""
        return FlowerControl(f"127.0.0.1:{port}", self._credentials.ca_cert)

    def tell_flwr(self, connection: str, port: int) -> None:
        """Let `flwr … CONNECTION` find the SuperLink on this port."""
        commands.write_connection(
            self.home, connection, f"127.0.0.1:{port}", self._credentials.ca_cert
        )

    def output(self, name: str) -> Path:
        """The file with all that a program has written."""
        return self._raw / f"{name}.out"

    def _program(
        self,
        name: str,
        argv: list[str],
        ports: tuple[int, ...] = (),
        ready: Callable[[], bool] | None = None,
    ) -> Program:
        return Program(
            name=name,
            argv=tuple(argv),
            env=self._environments[name],
            cwd=self._work_dir(),
            output=self.output(name),
            ports=ports,
            ready=ready,
            ready_within=self._ready_seconds,
            restart=True,
        )

    def _work_dir(self) -> Path:
        folder = work_folder(self.home)  # each ServerApp in one of its own below it
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _is_healthy(self, port: int) -> bool:
        with contextlib.closing(self.connect(port)) as probe:
            return probe.healthy()
