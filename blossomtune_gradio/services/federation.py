"""Whether the SuperLink of this machine should be up: the wish of the admins, and that it holds.

The wish is kept in the database: what was up is up again after a restart of ours, adopted where it
still lives. The two programs themselves belong to `runtimes/superlink.py`.
"""

from __future__ import annotations

import threading

from blossomtune_gradio.errors import BlossomError, NotPossible, ProcessFailed
from blossomtune_gradio.flower.lines.diagnosis import program_cause
from blossomtune_gradio.identity import SYSTEM, Role, User, require
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.options import Options
from blossomtune_gradio.services.runtimes.superlink import SuperLink


class FederationService:
    """Starts and stops the SuperLink for people, and remembers what they wanted."""

    def __init__(self, options: Options, logs: LogStore, superlink: SuperLink) -> None:
        self._options, self._logs, self._superlink = options, logs, superlink
        self._lock = threading.Lock()  # one start or stop at a time

    def open(self) -> None:
        """Take over what still runs, start again what should run."""
        self._superlink.open()
        port = self._options.superlink_port()
        if not port:
            self._superlink.discard_leftovers()
            return
        with self._lock:
            if self._superlink.adopt(port):
                return
        try:
            self.start(by=SYSTEM)
        except BlossomError as error:  # the page must come up all the same, and say why
            self._options.remember_superlink(port, SYSTEM, "still wanted: tried again later")
            self._tell(f"ERROR: The SuperLink did not start: {error}")

    def close(self) -> None:
        """End the programs; the wish stays, so the next start of ours brings them up again."""
        with self._lock:
            self._superlink.close()

    def start(self, by: User) -> None:
        """Start SuperLink and executor; returns when both are ready (seconds).

        Raises:
            NotPossible: it is up or coming up already.
            ProcessFailed: it did not become ready; the sentence says why, nothing is left.
        """
        require(by, Role.ADMIN, "start the SuperLink")
        with self._lock:
            if not self._superlink.is_down:
                raise NotPossible(f"The SuperLink is {self._superlink.status.state} already.")
            port = self._superlink.choose_port(self._options.superlink_port())
            self._options.remember_superlink(port, by)
            self._tell(f"{by.name} starts the SuperLink.")
            try:
                self._superlink.start(port)
            except BlossomError as error:
                self._options.remember_superlink(0, SYSTEM, f"It did not start: {error}"[:500])
                self._superlink.stop()
                raise _explained(error) from error

    def stop(self, by: User) -> None:
        """Stop both. Sites reconnect by themselves when the SuperLink is started again."""
        require(by, Role.ADMIN, "stop the SuperLink")
        self._options.remember_superlink(0, by)
        with self._lock:
            self._tell(f"{by.name} stops the SuperLink.")
            self._superlink.stop()

    def _tell(self, sentence: str) -> None:
        self._logs.append("blossomtune", [sentence])


def _explained(error: BlossomError) -> BlossomError:
    """The same, with cause and next step after the first sentence if its last words tell them."""
    first, *rest = str(error).split("\n")
    cause = program_cause("The SuperLink", [first, *rest])
    if cause is None:
        return error
    return ProcessFailed("\n".join([f"{first} {cause.text}", *rest]))
