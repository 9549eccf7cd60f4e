"""A measured number, and how a dict of metrics becomes a row of them.

Whatever was printed, a `Point` can be kept and shown: its round fits into a database, its names are
good text without control characters, and two names stay two. What cannot be such a point is left
out and told by `points_of`, never raised.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from blossomtune_gradio.flower.link.server_process import one_line

MOST_ROUND = 999_999_999
LONGEST_NAME = 240
"""Characters; a longer one ends with a digest of the whole."""
MOST_PARTS = 1000
"""A longer list is a histogram or weights, nothing for a chart."""
_LONGEST_SITE = 64
_DIGEST = 12  # characters of it


@dataclass(frozen=True)
class Point:
    """One number in one round. Hearing it twice is no harm: (round, site, name) is its identity."""

    round: int
    """0 is before the first round, at most `MOST_ROUND`."""
    name: str
    """`train/loss`, `evaluate/accuracy`, `server/accuracy`, `site/loss`…"""
    value: float
    """May be NaN or infinite; then the model is broken and people must see it."""
    site: str = ""
    """The partition it was measured on, empty for all together."""

    def __post_init__(self) -> None:
        if not 0 <= self.round <= MOST_ROUND:
            raise ValueError(f"{self.round} is no round")
        object.__setattr__(self, "name", _named(self.name, LONGEST_NAME))
        object.__setattr__(self, "site", _named(self.site, _LONGEST_SITE))


@dataclass(frozen=True)
class NotUnderstood:
    """A line that was to hold metrics, and why it holds none that can be kept."""

    why: str


Told: TypeAlias = Point | NotUnderstood


def points_of(prefix: str, number: int, metrics: object, site: str = "") -> Iterator[Told]:
    """The numbers in a dict, lists as `name[0]`, `name[1]`…; other values are no metrics."""
    if not isinstance(metrics, dict):
        return
    if not 0 <= number <= MOST_ROUND:
        yield NotUnderstood(f"a round is a whole number from 0 to {MOST_ROUND}")
        return
    for key, value in metrics.items():
        name = f"{prefix}/{_text(key)}"
        if isinstance(value, list | tuple):
            if len(value) > MOST_PARTS:
                yield NotUnderstood(f"a list has at most {MOST_PARTS} values")
                continue
            for at, part in enumerate(value):
                if _number(part):
                    yield Point(number, f"{name}[{at}]", _float(part), site)
        elif _number(value):
            yield Point(number, name, _float(value), site)


def _text(key: object) -> str:
    try:
        return str(key)
    except ValueError:  # Python writes out no number of more than 4300 digits
        return f"{key:x}"


def _named(name: str, longest: int) -> str:
    """On one line, in full; a name that is too long is cut, and differs where the whole did."""
    text = one_line(name)
    if len(text) <= longest:
        return text
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{text[: longest - _DIGEST - 1]}…{digest}"


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an int beyond 1e308
        return float("inf") if value > 0 else float("-inf")
