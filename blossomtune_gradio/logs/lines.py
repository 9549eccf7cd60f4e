"""One log record: a line of text `time TAB level TAB position TAB text`. Pure.

A level with a colon ("INFO:") stood before the line when it was written, by Flower's logger.

`position` says how far the origin was consumed when the record was written; it is opaque here.
Limit: what a line says is guessed from this one line, so the inner lines of a traceback are INFO.
Surprise: Flower's own prefix ("INFO :      ") is taken off the text, the level column carries it.
"""

import re
from dataclasses import dataclass

from blossomtune_gradio.plain_text import plain

_PREFIX = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) ?:( +|$)")
_PREFIX_SPACES = 10  # Flower pads level and spaces after the colon to this width together
_SHOUTS = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")
_RAISED = re.compile(r"Traceback \(most recent call last\)|[\w.]*(Error|Exception)(:|$)")


@dataclass(frozen=True, slots=True)
class Line:
    source: str
    offset: int  # bytes; the end of its record in the source's file: the cursor after this line
    time: str  # UTC, "2026-11-22T02:49:18.123Z": sorts as text
    level: str  # DEBUG, INFO, WARNING, ERROR or CRITICAL
    text: str
    has_prefix: bool = False  # Flower's logger wrote it

    @property
    def as_written(self) -> str:
        """The text with Flower's prefix, if it had one."""
        return f"{self.level} : {self.text}" if self.has_prefix else self.text

    def to_json(self) -> dict[str, str | int]:
        return {
            "source": self.source,
            "offset": self.offset,
            "time": self.time,
            "level": self.level,
            "text": self.text,
        }


def read_level(text: str) -> tuple[str, str]:
    """The level of a harmless line, and the line without Flower's prefix; INFO if it has none."""
    prefix = _PREFIX.match(text)
    if prefix:
        level, spaces = prefix[1], len(prefix[2])
        return level, text[prefix.end(2) - max(0, spaces - _PREFIX_SPACES + len(level)) :]
    shouts = _SHOUTS.match(text)
    if shouts:
        return shouts[1], text
    return ("ERROR" if _RAISED.match(text) else "INFO"), text


def to_record(time: str, text: str, position: str) -> bytes:
    """The record of `text`, made harmless, with its line break.

    Raises ValueError if `position` has a tab or a line break.
    """
    if not position.isprintable():
        raise ValueError(f"A position has no tabs or line breaks, but this one does: {position!r}")
    harmless = plain(text)
    level, rest = read_level(harmless)
    if _PREFIX.match(harmless):
        level += ":"
    return f"{time}\t{level}\t{position}\t{rest}\n".encode("utf-8", "replace")


def from_record(source: str, record: bytes, end: int) -> Line:
    """The line of a record (without its line break) that ends at byte `end`.

    What is no record of ours (a disk's damage) is shown as text rather than lost.
    """
    parts = record.decode("utf-8", "replace").split("\t", 3)
    if len(parts) != 4:
        return Line(source, end, "", "INFO", plain("\t".join(parts)))
    time, level, _position, text = parts
    return Line(source, end, time, level.removesuffix(":"), text, level.endswith(":"))


def position_of(record: bytes) -> str:
    parts = record.decode("utf-8", "replace").split("\t", 3)
    return parts[2] if len(parts) == 4 else ""
