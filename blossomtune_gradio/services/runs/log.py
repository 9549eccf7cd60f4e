"""Copies the log of one run out of Flower: each line once, whatever crashes in between.

What has been read is kept in the log itself, the position beside the line. Surprise: Flower cuts
the log into chunks wherever it likes, so a position is the time of the last chunk whose lines are
all written plus the number of characters already taken from what follows it.
"""

from __future__ import annotations

from blossomtune_gradio.flower.facts import LogChunk
from blossomtune_gradio.logs import LogStore


class RunLog:
    """The way from Flower's chunks to lines in the log store."""

    def __init__(self, logs: LogStore, source: str) -> None:
        self._logs, self._source = logs, source
        written, _, taken = logs.position(source).partition(":")
        self._written, self._taken = float(written or 0), int(taken or 0)
        self._text = ""  # all that came after `_written`, its first `_taken` characters are lines
        self.read_to = self._written  # ask Flower for what came after this

    def lines_so_far(self) -> list[str]:
        """What was written before, to bring a fresh parser up to date."""
        page = self._logs.since({self._source: 0}, [self._source], limit=1_000_000)
        return [line.text for line in page.lines]

    def add(self, chunk: LogChunk) -> list[str]:
        """Write the lines that are complete now; they are returned too."""
        self._text += chunk.text
        self.read_to = chunk.timestamp
        return self._write(self._text.rfind("\n") + 1)

    def finish(self) -> list[str]:
        """Write the last line even if its end never came."""
        return self._write(len(self._text))

    def _write(self, end: int) -> list[str]:
        lines, positions = [], []
        for raw in self._text[self._taken : max(end, self._taken)].splitlines(keepends=True):
            self._taken += len(raw)
            lines.append(raw.rstrip("\r\n"))
            positions.append(f"{self._written!r}:{self._taken}")
        if self._taken == len(self._text):  # nothing is left over: the next chunk starts afresh
            self._text, self._taken, self._written = "", 0, self.read_to
            positions[-1:] = [f"{self._written!r}:0"] if positions else []
        if lines:
            self._logs.append(self._source, lines, positions)
        return lines
