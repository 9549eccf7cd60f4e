"""The one process at the head of a tree: spawned by us, or adopted from an earlier BlossomTune.

`has_ended` is asked by one thread only, the owner, because asking also takes the dead child off the
process table. Surprise: the end of an adopted child carries no exit code unless we happen to be its
parent.
"""

import os
import secrets
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

import psutil

from blossomtune_gradio.errors import ProcessFailed
from blossomtune_gradio.processes.model import Program
from blossomtune_gradio.processes.record import Record, RecordFile
from blossomtune_gradio.processes.tree import (
    TAG,
    Tree,
    boot_id,
    holder_of,
    is_alive,
    is_free,
    start_time,
    wait_until,
)

_LEFTOVERS = 2.0  # seconds that processes get to end after their leader did
_PORTS = 5.0  # seconds until the ports of a dead tree must be free


class Child:
    def __init__(
        self, record: Record, pid: int, spawned: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.record = record
        self.pid = pid
        self.exit_code: int | None = None  # negative: a signal; None: lives, or not known
        self.tree: Tree = record.tree()
        self._spawned = spawned
        self._adopted = None if spawned else psutil.Process(pid)

    def has_ended(self) -> bool:
        if self._spawned is not None:
            self.exit_code = self._spawned.poll()
            return self.exit_code is not None
        if self._adopted is not None and not is_alive(self._adopted):
            self._read_exit_code()
            self._adopted = None
        return self._adopted is None

    def end(self, grace: float) -> list[psutil.Process]:
        """SIGTERM to the leader, `grace` seconds, then end the whole tree; who still lives."""
        self.tree.members()  # remember all of them while the leader still connects them
        self._terminate()
        in_time = wait_until(self.has_ended, grace)
        remaining = self.tree.end(gently=_LEFTOVERS if in_time else 0)
        wait_until(self.has_ended, 1.0)
        return remaining

    def _terminate(self) -> None:
        if self._spawned is not None:
            self._spawned.terminate()
        elif self._adopted is not None:
            try:
                self._adopted.terminate()
            except psutil.NoSuchProcess:
                return  # has just ended

    def _read_exit_code(self) -> None:
        try:
            done, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return  # somebody else's child, as adopted ones mostly are
        if done:
            self.exit_code = os.waitstatus_to_exitcode(status)


def spawn(program: Program, records: RecordFile) -> Child:
    """Start `program`. Raises ProcessFailed with a sentence; then nothing was left running."""
    _check_ports(program)
    if not program.cwd.is_dir():
        raise ProcessFailed(
            f"{program.name} cannot start: its working folder {program.cwd.name!r} does not exist."
        )
    with _open_output(program) as output:
        record = Record(
            tag=secrets.token_hex(16),
            boot_id=boot_id(),
            command=program.argv[0],
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            output_from=output.tell(),
        )
        records.write(record)  # without a pid yet: we may be killed in the next moment
        try:
            spawned = _popen(program, record.tag, output)
        except OSError as error:
            records.delete()
            raise ProcessFailed(
                f"{program.name} cannot start: the program {Path(program.argv[0]).name!r} was not "
                f"found or cannot be executed ({error.strerror}). Check the installation."
            ) from error
    record = replace(record, pid=spawned.pid, start_time=start_time(spawned.pid))
    child = Child(record, spawned.pid, spawned)
    try:
        records.write(record)
    except ProcessFailed:
        child.end(grace=0)
        raise
    return child


def adopt(record: Record | None) -> Child | None:
    """The child that `record` tells of, if it is alive."""
    if record is None or record.pid is None or not record.is_running():
        return None
    try:
        return Child(record, record.pid)
    except psutil.NoSuchProcess:
        return None  # died in this moment


def clear_leftovers(name: str, records: RecordFile) -> None:
    """End what an earlier start left behind. Raises ProcessFailed if something survives."""
    record = records.read()
    if record is not None:
        remaining = record.tree().end(gently=_LEFTOVERS)
        if remaining:
            raise ProcessFailed(would_not_end(name, remaining))
    records.delete()


def would_not_end(name: str, remaining: list[psutil.Process]) -> str:
    numbers = ", ".join(str(process.pid) for process in remaining)
    return (
        f"Processes of {name} are still alive after SIGKILL ({numbers}). They probably wait for a "
        "disk or a network drive, or belong to another user; end them by hand, then stop again."
    )


def taken_after(program: Program) -> str:
    """A sentence if a port is not free again although the tree is gone; "" if all are."""
    for port in program.ports:
        if not wait_until(partial(is_free, port), _PORTS):
            return (
                f"{program.name} has ended, but port {port} is held by {holder_of(port)}. "
                "End that program before the next start."
            )
    return ""


def _check_ports(program: Program) -> None:
    for port in program.ports:
        if not is_free(port):
            raise ProcessFailed(
                f"{program.name} cannot start: port {port} is already used by {holder_of(port)}. "
                "End that program, or choose another port."
            )


def _open_output(program: Program) -> BinaryIO:
    try:
        program.output.parent.mkdir(parents=True, exist_ok=True)
        return program.output.open("ab")  # a file, not a pipe: the child may outlive us
    except OSError as error:
        raise ProcessFailed(
            f"{program.name} cannot start: its output file {program.output.name!r} cannot be "
            f"written ({error.strerror}). Give us the right to write into its folder."
        ) from error


def _popen(program: Program, tag: str, output: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        program.argv,
        cwd=program.cwd,
        env={**program.env, TAG: tag},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
