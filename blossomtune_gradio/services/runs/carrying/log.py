"""Copies the log of one run out of Flower: each line once, whatever crashes in between.

What has been read is kept in the log itself, the position beside the line. A line ends at a line
feed and nowhere else; of one that was rewritten, as progress bars do, the last state is kept.
Surprise: Flower cuts the log into chunks wherever it likes, so a position is the time of the last
chunk whose lines are all written plus the number of characters already taken from what follows it.
"""

from __future__ import annotations

from blossomtune_gradio.flower.link.facts import LogChunk
from blossomtune_gradio.logs import LogStore

_LONGEST = 64 * 1024  # characters kept of a line that has not ended; far more than the log keeps


class RunLog:
    """The way from Flower's chunks to lines in the log store."""

    def __init__(self, logs: LogStore, source: str) -> None:
        self._logs, self._source = logs, source
        written, _, taken = logs.position(source).partition(":")
        self._written, self._taken = float(written or 0), int(taken or 0)
        self._known = self._taken  # characters to come that are lines already
        self._rest, self._left_out = "", 0  # a line that has not ended; characters it is short of
        self.read_to = self._written  # ask Flower for what came after this

    def lines_so_far(self) -> list[str]:
        """What was written before, to bring a fresh parser up to date."""
        page = self._logs.since({self._source: 0}, [self._source], limit=1_000_000)
        return [line.as_written for line in page.lines]

    def add(self, chunk: LogChunk) -> list[str]:
        """Write the lines that are complete now; they are returned too."""
        self._rest += chunk.text[self._known :]
        self._known = max(0, self._known - len(chunk.text))
        self.read_to = chunk.timestamp
        *complete, rest = self._rest.split("\n")
        return self._write(complete, rest, 1)

    def finish(self) -> list[str]:
        """Write the last line even if its end never came."""
        return self._write([self._rest], "", 0) if self._rest else []

    def _write(self, complete: list[str], rest: str, end: int) -> list[str]:
        """`end`: characters of a line end."""
        positions = []
        for line in complete:
            self._taken += len(line) + self._left_out + end
            self._left_out = 0
            positions.append(f"{self._written!r}:{self._taken}")
        self._rest = _shortened(rest)
        self._left_out += len(rest) - len(self._rest)
        if not rest and not self._known:  # nothing is left over: the next chunk starts afresh
            self._taken, self._written = 0, self.read_to
            positions[-1:] = [f"{self._written!r}:0"] if positions else []
        lines = [_last_state(line) for line in complete]
        if lines:
            self._logs.append(self._source, lines, positions)
        return lines


def _last_state(line: str) -> str:
    """What a terminal would show of it in the end."""
    return line.rstrip("\r").rpartition("\r")[2]


def _shortened(rest: str) -> str:
    """A line that has not ended, so that one that never ends takes no more and more memory."""
    return rest if len(rest) <= _LONGEST else _last_state(rest)[:_LONGEST]
