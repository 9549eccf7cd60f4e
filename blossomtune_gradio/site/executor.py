"""Runs this site's training tasks, each in a forked child, with the heavy imports done once.

Flower's own executor starts a new Python per message, which imports torch and transformers anew:
several seconds each time. This one imports them once and forks. Limits: ClientApps only, plain
HTTP on loopback only; it uses functions of flwr 1.42 that are not public (exit code 4 says that
they are gone, and join.py goes on without us). Surprise: a fork copies numpy's random state, so
each child draws a new one; two tasks must never share their noise.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

UNUSABLE = 4  # exit code
BUSY_POLL, IDLE_POLL = 0.15, 1.0  # seconds between two looks for a task
BUSY_SECONDS = 600.0  # how long after a task we keep looking often
END_SECONDS = 5.0  # children have after SIGTERM

try:
    import httpx
    from flwr.proto.runtime_pb2 import AcquireTaskRequest
    from flwr.supercore.interceptors import (
        RuntimeVersionHttpInterceptor,
        SuperExecAuthHttpInterceptor,
    )
    from flwr.supercore.runtime import RuntimeHttpClient
    from flwr.supernode.runtime.run_clientapp import run_clientapp
except ImportError as error:
    print(f"The executor does not fit this flwr: {error}", flush=True)
    sys.exit(UNUSABLE)


class Executor:
    """Takes tasks from the SuperNode on `runtime` ("127.0.0.1:PORT") and forks a child for each."""

    def __init__(self, runtime: str, secret: bytes) -> None:
        self._runtime = runtime
        self._client = connect(runtime, secret)
        self._children: dict[int, str] = {}  # pid -> what it works on
        self._parent = os.getppid()
        self._stopping = False
        self._reachable = True

    def run(self) -> None:
        """Work until SIGTERM, or until the process that started us is gone."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        busy_until = time.monotonic() + BUSY_SECONDS
        while not self._stopping and os.getppid() == self._parent:
            self._reap()
            if self._take_task():
                busy_until = time.monotonic() + BUSY_SECONDS
            time.sleep(BUSY_POLL if time.monotonic() < busy_until else IDLE_POLL)
        self._end_children()

    def _take_task(self) -> bool:
        try:
            answer = self._client.AcquireTask(
                AcquireTaskRequest(supported_task_types=["flwr-clientapp"])
            )
        except httpx.HTTPError as error:  # the SuperNode starts, restarts or ends
            self._note_reachable(False, f": {error}")
            return False
        self._note_reachable(True, "")
        if not (answer.HasField("task") and answer.token):
            return False
        self._fork(answer.task, answer.token)
        return True

    def _fork(self, task: Any, token: str) -> None:
        work = f"task {task.task_id} of run {task.run_id}"
        sys.stdout.flush()
        sys.stderr.flush()
        executor = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._work(token, executor)
        self._children[pid] = work
        say(f"{work} runs in process {pid}")

    def _work(self, token: str, executor: int) -> NoReturn:
        """In the child: run the task, then leave without the parent's clean-up."""
        code = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            self._client.close()
            fresh_randomness()
            run_clientapp(
                runtime_api_address=self._runtime,
                token=token,
                insecure=True,
                parent_pid=executor,
                runtime_dependency_install=False,
            )
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        except BaseException as error:  # noqa: BLE001 - nothing may get out of a forked child
            say(f"The task failed outside of its app: {type(error).__name__}: {error}")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        for pid in list(self._children):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                ended = "is done" if code == 0 else f"ended with code {code}"
                say(f"{self._children.pop(pid)} {ended}")

    def _end_children(self) -> None:
        patience = time.monotonic() + END_SECONDS
        for number, until in ((signal.SIGTERM, patience), (signal.SIGKILL, patience + 2)):
            for pid in self._children:
                os.kill(pid, number)  # not reaped yet, so the pid is still theirs
            while self._children and time.monotonic() < until:
                self._reap()
                time.sleep(0.05)

    def _note_reachable(self, reachable: bool, detail: str) -> None:
        if reachable is not self._reachable:
            say("connected to the SuperNode" if reachable else f"waits for the SuperNode{detail}")
        self._reachable = reachable

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} executor: {text}", flush=True)


def connect(runtime: str, secret: bytes) -> Any:
    """A client of the SuperNode's Runtime API that may take tasks."""
    return RuntimeHttpClient.from_server_address(
        runtime,
        insecure=True,
        root_certificates=None,
        interceptors=[
            RuntimeVersionHttpInterceptor(component_name="SuperExec"),
            SuperExecAuthHttpInterceptor(
                master_secret=secret,
                protected_methods=frozenset({"/flwr.proto.Runtime/AcquireTask"}),
            ),
        ],
    )


def preload(names: list[str]) -> None:
    """Import what the apps will want. A missing or broken module only costs its speed-up."""
    for name in names:
        begun = time.monotonic()
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - foreign modules raise whatever they like
            say(f"{name} is not preloaded ({type(error).__name__}: {error})")
        else:
            say(f"{name} preloaded in {time.monotonic() - begun:.1f} s")


def fresh_randomness() -> None:
    """What a new process would have; Python's own generator does this by itself after a fork."""
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", required=True, help="host:port of the SuperNode's Runtime API")
    parser.add_argument("--secret-file", type=Path, required=True)
    parser.add_argument("--preload", action="append", default=[], help="a module to import once")
    options = parser.parse_args()
    secret = options.secret_file.read_bytes()
    try:
        executor = Executor(options.runtime, secret)
    except (TypeError, AttributeError) as error:
        say(f"does not fit this flwr: {error}")
        return UNUSABLE
    preload(options.preload)
    say("ready")
    executor.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
