"""The programs we start: their output, their end, what they are told; and what a crash left."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from .kit import SECRET, Site
from .surroundings import near_first
from .words import Problem, echo, say

STOP_SECONDS = 10

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Child:
    """A program we started: its output is passed on, its end is seen, nothing of it stays."""

    def __init__(
        self, name: str, argv: list[str], env: dict[str, str], hear: Callable[[str], None]
    ) -> None:
        """`hear` is called with each line of its output, from a thread of its own."""
        self.name = name
        self.started = time.monotonic()
        self._tail: deque[str] = deque(maxlen=40)
        self._hear = hear
        self._process = subprocess.Popen(
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; we end it orderly
        )
        self._reader = threading.Thread(target=self._pass_on, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Exit code once it has ended."""
        return self._process.poll()

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.started

    def said(self, words: str) -> bool:
        """Whether its last lines contain these words."""
        if self.code is not None:
            self._reader.join(2)  # what it said last may still be on its way
        return any(words in line for line in list(self._tail))

    def stop(self) -> None:
        """SIGTERM, wait, SIGKILL; its children too."""
        if self.code is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                say(f"{self.name} does not end by itself; killing it.")
                self._process.kill()
                self._process.wait()
        end_group(self._process.pid, grace=2)
        self._reader.join(2)

    def _pass_on(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            line = raw.decode(errors="replace")
            plain = _ANSI.sub("", line)
            self._tail.append(plain)
            self._hear(plain)
            echo(line)


def end_group(pid: int, grace: float) -> None:
    """Wait until a process group is empty; after `grace` seconds by force."""
    patience = time.monotonic() + grace
    while signal_group(pid, 0):
        if time.monotonic() > patience:
            signal_group(pid, signal.SIGKILL)
            time.sleep(0.2)
            return
        time.sleep(0.05)


def signal_group(pid: int, number: int) -> bool:
    """Send a signal to a process group; False when there is none (any more)."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # the latter: macOS, only zombies are left
        return False
    return True


def end_leftovers(site: Site) -> None:
    """End what an earlier join.py left behind when it was killed; Flower allows one node only."""
    for pid in leftovers(site):
        say(f"Ending process {pid}, left over from an earlier start.")
        signal_group(pid, signal.SIGTERM)
        end_group(pid, grace=STOP_SECONDS)


def leftovers(site: Site) -> list[int]:
    """Process ids of the programs that use our key or our secret."""
    marks = {str(site.key), str(site.state / SECRET)}
    programs = ("flower-supernode", "executor.py")
    return [
        pid
        for pid, args in running()
        if marks & set(args) and any(arg.endswith(programs) for arg in args)
    ]


def running() -> Iterator[tuple[int, list[str]]]:
    """(process id, arguments) of all that runs here; small containers have no `ps`."""
    if sys.platform.startswith("linux"):
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    yield int(folder.name), (folder / "cmdline").read_bytes().decode().split("\0")
                except (OSError, ValueError):  # it has ended, or is not ours to see
                    continue
        return
    shown = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=False
    )
    for line in shown.stdout.splitlines():
        pid, *args = line.split()
        yield int(pid), args


def supernode_program() -> str:
    """`flower-supernode` of the Python we run under. Raises Problem when there is none."""
    beside = Path(sys.executable).parent / "flower-supernode"
    found = str(beside) if beside.exists() else shutil.which("flower-supernode")
    if found is None:
        raise Problem("flower-supernode is not found.", "Activate the environment that has flwr.")
    return found


def child_environment(site: Site) -> dict[str, str]:
    """Ours, plus what keeps Flower quiet, local and apart from other installations."""
    no_proxy = near_first(os.environ)
    return os.environ | {
        "FLWR_HOME": str(site.state / "flwr"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        # In plain mode the SuperNode starts flower-superexec by name.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
