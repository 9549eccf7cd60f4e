"""Every process that belongs to one child: found, ended, verified. And who holds a port.

A member is a descendant, a process of the child's session, or one that carries its tag in the
environment: so it is found even when it was re-parented or made a session of its own. Limit: a
process that did all three at once (left its parent, its session and its environment) before we
first looked is not found. Surprise: a zombie counts as gone, it holds nothing but its number.
"""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psutil

TAG = "BLOSSOMTUNE_PROCESS"  # the environment variable that marks every member


def wait_until(condition: Callable[[], bool], seconds: float, every: float = 0.02) -> bool:
    """Whether `condition()` became true within `seconds`; looks at least once."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every)
    return True


def boot_id() -> str:
    """Names this boot of the machine; empty where the system has no such name."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def start_time(pid: int) -> float | None:
    """When `pid` began: never changes while it lives, differs for a reused pid; None: not there.

    On Linux in clock ticks since boot, because the time of day may be set while the child runs.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return float(stat.rpartition(")")[2].split()[19])
    except OSError:
        pass  # gone, or a system without /proc
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Tree:
    """The members of one child's tree. Who was seen once is watched until it is gone."""

    def __init__(self, leader: int | None, tag: str) -> None:
        self._leader = leader  # None: its pid now belongs to somebody else
        self._tag = tag
        self._seen: set[psutil.Process] = set()

    def members(self) -> list[psutil.Process]:
        """All that are alive now. Looks at every process of the machine: some 10 ms."""
        self._seen.update(self._descendants())
        self._seen.update(p for p in psutil.process_iter() if self._belongs(p))
        return self._remaining()

    def end(self, gently: float, forced: float = 5.0) -> list[psutil.Process]:
        """SIGTERM to all, up to `gently` seconds, SIGKILL to all, up to `forced`; who still lives.

        Zero seconds skip the gentle part.
        """
        if gently > 0 and self._signal(signal.SIGTERM):
            wait_until(lambda: not self._remaining(), gently)
        # Again and again: a member may fork while the others are being killed.
        wait_until(lambda: not self._signal(signal.SIGKILL), forced, every=0.05)
        return self._remaining()

    def _signal(self, number: signal.Signals) -> bool:
        members = self.members()
        for process in members:
            try:
                process.send_signal(number)
            except psutil.Error:
                continue  # ended meanwhile, or not ours to signal: the next look tells
        return bool(members)

    def _remaining(self) -> list[psutil.Process]:
        for gone in [p for p in self._seen if not is_alive(p)]:
            self._seen.remove(gone)
            if gone.pid != self._leader:  # the leader's end is read by its owner
                _reap(gone)
        return sorted(self._seen, key=lambda p: p.pid)

    def _descendants(self) -> list[psutil.Process]:
        if self._leader is None:
            return []
        try:
            leader = psutil.Process(self._leader)
            return [leader, *leader.children(recursive=True)]
        except psutil.Error:
            return []  # the leader is gone; session and tag find the rest

    def _belongs(self, process: psutil.Process) -> bool:
        if process.pid == os.getpid():
            return False
        try:
            if self._leader is not None and os.getsid(process.pid) == self._leader:
                return True
            return process.environ().get(TAG) == self._tag
        except (psutil.Error, OSError):
            return False  # ended meanwhile, or somebody else's


def _reap(dead: psutil.Process) -> None:
    """Clear a zombie that was re-parented to us, which happens where we are a container's pid 1."""
    try:
        if dead.ppid() == os.getpid():
            os.waitpid(dead.pid, os.WNOHANG)
    except (psutil.Error, ChildProcessError):
        return  # cleared already


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket() as probe:
        # As servers do: connections of an ended server (TIME_WAIT) do not keep the port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def holder_of(port: int) -> str:
    """Who listens on `port`, as "name (process 12)"; "another program" if that cannot be seen."""
    try:
        for found in psutil.net_connections("tcp"):
            if found.laddr and found.laddr.port == port and found.pid and not found.raddr:
                return f"{psutil.Process(found.pid).name()} (process {found.pid})"
    except psutil.Error:
        pass  # the system does not show other users' connections
    return "another program"
