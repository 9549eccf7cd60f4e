"""A real little federation for tests: SuperLink, SuperExec and as many SuperNodes as asked.

Everything is started from the argument lists and credentials the product uses, on free ports of
127.0.0.1, and ended by pid. No supervisor of ours takes part.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from blossomtune_gradio.flower.link.commands import (
    child_environment,
    parse_run_output,
    prepare_home,
    run_argv,
    superexec_argv,
    superlink_argv,
    write_connection,
)
from blossomtune_gradio.flower.link.control import FlowerControl
from blossomtune_gradio.flower.link.facts import RunFact
from blossomtune_gradio.flower.link.site_keys import SiteKey, site_key
from blossomtune_gradio.tls import ensure_server_credentials, make_secret_file
from tests.support import free_port, wait_for

APPS = Path(__file__).parent / "apps"


@dataclass(frozen=True)
class Site:
    """One SuperNode that was started."""

    node_id: int
    name: str
    key: SiteKey
    process: subprocess.Popen[bytes]
    log: Path


class FlowerStack:
    """Use as a context manager: everything it started is gone afterwards."""

    def __init__(self, folder: Path, *, poll: float = 0.2) -> None:
        """`poll`: seconds between two looks of the executors for work; Flower's own is 1."""
        self.folder = folder
        self.database = folder / "superlink.db"
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.credentials = ensure_server_credentials(folder / "certificates", [])
        self.control = FlowerControl(self.address, self.credentials.ca_cert)
        self.sites: list[Site] = []
        self.started: list[subprocess.Popen[bytes]] = []
        self._secret = make_secret_file(folder / "certificates" / "superexec.secret")
        self._extra = {"FLWR_SUPEREXEC_TASK_POLL_INTERVAL": str(poll)}

    def __enter__(self) -> FlowerStack:
        try:
            self.start_superlink()
            self.start_superexec()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start_superlink(self) -> subprocess.Popen[bytes]:
        """Start it (again, with the same port and database) and wait until it answers."""
        argv = superlink_argv(self.port, self.credentials, self.database, self._secret)
        child = self.spawn("superlink", argv)
        wait_for(lambda: self.control.healthy() or child.poll() is not None, seconds=60)
        assert child.poll() is None, self.log("superlink")
        return child

    def start_superexec(self) -> subprocess.Popen[bytes]:
        """Start the executor; without it every run stays pending."""
        return self.spawn("superexec", superexec_argv(self.port, self.credentials, self._secret))

    def add_node(self, partition_id: int, partitions: int = 2, *, online: bool = True) -> Site:
        """Register a fresh key and start a SuperNode with it."""
        name = f"site-{partition_id}"
        private = self.folder / f"{name}.key"
        key = make_private_key(private)
        node_id = self.control.register(key.pem, name)
        process = self.start_supernode(name, private, partition_id, partitions)
        site = Site(node_id, name, key, process, self.folder / f"{name}.log")
        self.sites.append(site)
        if online:
            wait_for(lambda: self.status(node_id) == "online", seconds=60)
        return site

    def start_supernode(
        self, name: str, private: Path, partition_id: int, partitions: int, *, door: str = ""
    ) -> subprocess.Popen[bytes]:
        """A SuperNode with this key file, whether registered or not.

        `door`: host:port of what stands before the SuperLink, if it shall go there.
        """
        argv = [
            str(Path(sys.executable).parent / "flower-supernode"),
            *("--root-certificates", str(self.credentials.ca_cert)),
            *("--superlink", door or self.address),
            *("--auth-supernode-private-key", str(private)),
            *("--port", str(free_port())),
            *("--node-config", f"partition-id={partition_id} num-partitions={partitions}"),
        ]
        return self.spawn(name, argv)

    def status(self, node_id: int) -> str:
        """Flower's word for the state of a node."""
        return next(node.status for node in self.control.nodes() if node.node_id == node_id)

    def submit(self, app: Path, config: Path | None = None) -> int:
        """`flwr run`, as a person would. Returns the run id."""
        home = self.folder / "cli"
        write_connection(home, "lab", self.address, self.credentials.ca_cert)
        done = subprocess.run(
            run_argv(app, "lab", config),
            env=self.environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
        )
        return parse_run_output(done.stdout.decode())

    def wait_for_end(self, run_id: int, seconds: float = 180) -> RunFact:
        """The run once it has finished; stops it and fails when that takes too long."""
        deadline = time.monotonic() + seconds
        while (fact := self.control.run(run_id)) is None or not fact.finished:
            if time.monotonic() > deadline:
                self.control.stop(run_id)
                raise AssertionError(f"{fact} after {seconds:g} s\n{self.run_log(run_id)}")
            time.sleep(0.3)
        return fact

    def run_log(self, run_id: int) -> str:
        """All the ServerApp has written; its last words may come just after it ended."""
        fact = self.control.run(run_id)
        settled = time.monotonic() + (1 if fact is not None and fact.finished else 0)
        text, after = "", 0.0
        while (chunk := self.control.log_now(run_id, after)) or time.monotonic() < settled:
            if chunk:
                text, after = text + chunk.text, chunk.timestamp
        return text

    def log(self, name: str) -> str:
        """What the program of that name has written."""
        return (self.folder / f"{name}.log").read_text()

    def environment(self, home: Path) -> dict[str, str]:
        """The one the product would give a program with this home."""
        prepare_home(home)
        return child_environment(home, self._extra, path=os.environ["PATH"])

    def spawn(
        self, name: str, argv: Sequence[str], extra: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program that `stop` will end; its output goes to `NAME.log`."""
        env = {**self.environment(self.folder / f"{name}-home"), **(extra or {})}
        with (self.folder / f"{name}.log").open("ab") as out:
            child = subprocess.Popen(
                argv, stdout=out, stderr=subprocess.STDOUT, env=env, start_new_session=True
            )
        self.started.append(child)
        return child

    def stop(self, seconds: float = 15) -> None:
        """End all, sites first, at the latest after that time by force."""
        self.control.close()  # first: a SuperLink waits for open connections
        family = [proc for child in self.started for proc in _with_children(child.pid)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _gone, alive = psutil.wait_procs(family, timeout=seconds)
        for process in alive:
            process.kill()
        for child in self.started:
            child.wait(10)


def make_private_key(path: Path) -> SiteKey:
    """A P-384 key as a site makes it; returns its public half."""
    key = ec.generate_private_key(ec.SECP384R1())
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
    )
    path.chmod(0o600)
    return site_key(key.public_key())


def _with_children(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
