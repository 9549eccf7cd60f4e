"""What is said in the terminal, and the ways to end."""

from __future__ import annotations

import sys
import time

STOPPED, REFUSED, FIX_HERE, REVOKED = 0, 1, 2, 3  # exit codes


class Problem(Exception):
    """Cannot go on. The message says why and what to do; `code` is the exit code."""

    def __init__(self, sentence: str, fix: str, code: int = FIX_HERE) -> None:
        super().__init__(f"{sentence} {fix}".strip())
        self.sentence, self.fix, self.code = sentence, fix, code


class Unreachable(Exception):
    """The server does not answer now; worth another try."""


class Fault(Exception):
    """A check failed. `passing`: it may be over by itself, so joining goes on trying."""

    def __init__(self, sentence: str, fix: str, *, passing: bool = False) -> None:
        super().__init__(sentence)
        self.sentence, self.fix, self.passing = sentence, fix, passing


class Doubt(Fault):
    """Worth telling, but nothing has to stop for it."""


class Stopped(Exception):
    """Somebody asked us to end while we waited."""


def say(text: str) -> None:
    """One calm line with the time."""
    echo(f"{time.strftime('%H:%M:%S')} {text}\n")


def echo(text: str) -> None:
    """Write to the terminal; when nobody reads any more, carry on without."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        pass
