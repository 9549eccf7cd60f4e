"""Staying in the federation: ask, start the SuperNode, watch it, start it again, end orderly.

Surprise: Flower refuses a node that crashed for up to 60 seconds, so a restart may have to wait;
the server says how long.
"""

from __future__ import annotations

import secrets
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from . import trust
from .kit import SECRET, Site, write_private
from .node_values import node_config
from .passage import RAISE_LIMIT
from .programs import (
    Child,
    child_environment,
    end_leftovers,
    free_port,
    supernode_program,
)
from .refused import is_refused, still_refused, why
from .reports import Reports
from .server import ask
from .words import REFUSED, STOPPED, Problem, Stopped, Unreachable, say

RETRY_SECONDS = (1, 2, 4, 8, 15, 20)  # the last one is repeated
REFUSED_SECONDS = 5  # while Flower counts the last session as online; it lets go after 60
LONGEST_REST = 120.0  # seconds the server may have us wait before the SuperNode starts
EXECUTOR_UNUSABLE = 4  # exit code of executor.py: this flwr is not the one it knows


class Member:
    """Keeps this site in the federation: asks, starts, watches, starts again, ends orderly."""

    def __init__(self, site: Site, key: str, reports: Reports, *, warm: bool, once: bool) -> None:
        """`key` is the site's public key in OpenSSH form."""
        self._site, self._key, self._reports = site, key, reports
        self._warm, self._once = warm, once
        self._node: Child | None = None
        self._executor: Child | None = None
        self._executor_failures = 0
        self._port = free_port()
        self._stopping = self._asking = self._told_of_size = False

    def stay(self) -> int:
        """Returns the exit code once somebody stops us. Problem: we cannot or may not go on."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # HUP: terminal closed
            signal.signal(number, self._on_signal)
        with only_one(self._site):
            end_leftovers(self._site)
            try:
                return self._stay()
            except Stopped:
                say("Stopping.")
                return STOPPED
            finally:
                self._end_children()

    def _stay(self) -> int:
        tries, refused_since = 0, 0.0
        while True:
            answer = self._join()
            self._let_go(answer)
            self._node = node = self._start_node(answer)
            self._watch(node)
            node.stop()
            if self._once:
                return self._last_word(node)
            if node.seconds > 60:
                tries, refused_since = 0, 0.0
            if is_refused(node):
                refused_since = refused_since or node.started
                still_refused(time.monotonic() - refused_since)
            elif node.said("address already in use"):
                self._move()
            wait = RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]
            if is_refused(node):  # a longer wait would only be added to Flower's own
                wait = min(wait, REFUSED_SECONDS)
            say(f"The SuperNode ended ({why(node)}). Looking again in {wait} s.")
            tries += 1
            self._sleep(wait)

    def _join(self) -> dict[str, Any]:
        """Ask until the server has us registered."""
        tries = 0
        while True:
            try:
                self._asking = True
                answer = ask(self._site, self._key)
                if answer["registered"]:
                    say(
                        f"The server knows us as {answer['site']}, partition "
                        f"{answer['partition_id']} of {answer['num_partitions']}."
                    )
                    self._reports.learn_aloud(answer)
                    self._reports.send_aside()
                    return answer
                reason = "The server has our key, but its SuperLink does not run yet"
            except Unreachable as error:
                reason = str(error).rstrip(".")
            finally:
                self._asking = False
            wait = RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]
            if tries < len(RETRY_SECONDS) or tries % 15 == 0:  # then a line every five minutes
                say(f"{reason}. Trying again in {wait} s.")
            tries += 1
            self._sleep(wait)

    def _let_go(self, answer: dict[str, Any]) -> None:
        """Wait until our last session is over for Flower and for whoever waits for its answer."""
        rest = min(float(answer.get("wait_seconds", 0)), LONGEST_REST)
        if rest > 0:
            say(f"Flower has to let go of this site's last session: {rest:.0f} s.")
            self._sleep(rest)

    def _last_word(self, node: Child) -> int:
        with suppress(Unreachable):  # then we cannot know whether we were revoked
            ask(self._site, self._key)
        return STOPPED if node.code == 0 else REFUSED

    def _watch(self, node: Child) -> None:
        """Return when the SuperNode has ended, or must be started in another mode."""
        while node.code is None:
            if self._warm and not self._tend_executor():
                self._warm = False
                return
            self._reports.tend()
            self._sleep(0.2)

    def _tend_executor(self) -> bool:
        """Keep the executor running. False: it cannot work here."""
        executor = self._executor
        if executor is None:
            self._executor = self._start_executor()
        elif executor.code is not None:
            executor.stop()
            self._executor = None
            self._executor_failures = 0 if executor.seconds > 30 else self._executor_failures + 1
            if executor.code == EXECUTOR_UNUSABLE or self._executor_failures >= 3:
                say("The warm executor cannot work here; going on without it (rounds are slower).")
                return False
            say(f"The executor ended (exit code {executor.code}); starting it again.")
        return True

    def _start_node(self, answer: dict[str, Any]) -> Child:
        site, isolation = self._site, ["--isolation", "subprocess"]
        if self._warm:
            isolation = ["--isolation", "process", "--superexec-auth-secret-file", self._secret()]
        argv = [
            supernode_program(),
            *trust.arguments(site),
            *("--superlink", answer["superlink"]),
            *("--auth-supernode-private-key", str(site.key)),
            *("--host", "127.0.0.1", "--port", str(self._port)),
            *("--node-config", node_config(site, answer)),
            *isolation,
        ]
        say(f"Starting the SuperNode for {answer['superlink']}.")
        return self._start("SuperNode", argv)

    def _start_executor(self) -> Child:
        return self._start(
            "executor",
            [
                *(sys.executable, "-P"),  # what lies beside it is not for the apps to import
                str(Path(__file__).with_name("executor.py")),
                *("--runtime", f"127.0.0.1:{self._port}"),
                *("--secret-file", self._secret()),
                *(f"--preload={name}" for name in self._site.preload),
            ],
        )

    def _start(self, name: str, argv: list[str]) -> Child:
        try:
            return Child(name, argv, child_environment(self._site), self._hear)
        except OSError as error:
            sentence = f"{argv[0]} cannot be started ({error.strerror})."
            raise Problem(sentence, "Run join.py --check.") from None

    def _hear(self, line: str) -> None:
        self._reports.hear(line)
        if "Client error '413" in line and not self._told_of_size:  # the SuperNode goes on
            self._told_of_size = True
            say(f"What this site sends is too large for a proxy on the way. {RAISE_LIMIT}")

    def _secret(self) -> str:
        """What SuperNode and executor share, so that no other user here can take our tasks."""
        path = self._site.state / SECRET
        if not path.exists():
            write_private(path, secrets.token_hex(32).encode())
        return str(path)

    def _move(self) -> None:
        """Somebody took our loopback port: use another one."""
        self._port = free_port()
        if self._executor is not None:
            self._executor.stop()
            self._executor = None

    def _end_children(self) -> None:
        for child in (self._node, self._executor):  # the node first: it says goodbye to Flower
            if child is not None:
                child.stop()

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stopping and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
        if self._stopping:
            raise Stopped

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True  # and nothing is printed: we may be in the middle of a line
        if self._asking:  # a request may take long; all else looks at the flag soon
            self._asking = False
            raise Stopped


@contextmanager
def only_one(site: Site) -> Iterator[None]:
    """Refuse to run twice in one folder."""
    import fcntl

    site.state.mkdir(mode=0o700, exist_ok=True)
    with (site.state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Problem(f"join.py runs already in {site.folder}.", "Stop it first.") from None
        yield
