"""What a child program is and which states it may be in. Pure; nothing is started here."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

FIRST_PAUSE = 1.0  # seconds before the first new start
LONGEST_PAUSE = 30.0
CALM_AFTER = 60.0  # seconds of life after which a death counts as the first one again


class State(StrEnum):
    STOPPED = "stopped"  # never started, or ended because we said so
    STARTING = "starting"  # spawned, not yet ready
    RUNNING = "running"
    STOPPING = "stopping"  # the ladder is being climbed
    EXITED = "exited"  # ended by itself with code 0
    FAILED = "failed"  # ended by itself otherwise, was not ready in time, or would not end
    BACKING_OFF = "backing off"  # died, is started again after a pause


NEXT: Mapping[State, frozenset[State]] = {
    State.STOPPED: frozenset({State.STARTING}),
    State.STARTING: frozenset({State.RUNNING, State.STOPPING, State.EXITED, State.FAILED}),
    State.RUNNING: frozenset({State.STOPPING, State.EXITED, State.FAILED}),
    State.STOPPING: frozenset({State.STOPPED, State.FAILED}),
    State.EXITED: frozenset({State.STARTING, State.STOPPING, State.BACKING_OFF}),
    State.FAILED: frozenset({State.STARTING, State.STOPPING, State.BACKING_OFF}),
    State.BACKING_OFF: frozenset({State.STARTING, State.STOPPING}),
}
FINAL = frozenset({State.STOPPED, State.EXITED, State.FAILED})  # nobody works on it any more


@dataclass(frozen=True, kw_only=True)
class Program:
    """All that is needed to start, check and end one child program."""

    name: str  # for people and for the record file: a-z 0-9 . _ -
    argv: tuple[str, ...]
    env: Mapping[str, str]  # the child gets exactly this, plus one mark of ours
    cwd: Path
    output: Path  # stdout and stderr are appended to this file
    ports: tuple[int, ...] = ()  # on 127.0.0.1: must be free before, are verified free after
    ready: Callable[[], bool] | None = None  # polled 10 times a second; must answer within ~2 s
    ready_within: float = 60.0  # seconds
    grace: float = 10.0  # seconds between SIGTERM and SIGKILL
    restart: bool = False  # start it again, with growing pauses, when it ends by itself

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"A program's name is 1 to 64 of a-z 0-9 . _ -, not {self.name!r}.")
        if not self.argv:
            raise ValueError(f"The program {self.name} has no command.")


@dataclass(frozen=True, kw_only=True)
class Status:
    """A snapshot. `reason` is a sentence, or empty; it may go on with the last output lines."""

    name: str
    state: State
    since: datetime  # UTC, when this state began
    pid: int | None = None  # None: no process at this moment
    exit_code: int | None = None  # negative: the signal; None: not ended, or not known (adopted)
    reason: str = ""
    restarts: int = 0  # since `start` or `adopt`


def next_pause(last: float, lived: float) -> float:
    """Seconds until a new start, after a pause of `last` (0: none yet) and a life of `lived`."""
    if last == 0 or lived >= CALM_AFTER:
        return FIRST_PAUSE
    return min(last * 2, LONGEST_PAUSE)
