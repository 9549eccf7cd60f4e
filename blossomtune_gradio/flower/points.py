"""A measured number, and how a dict of metrics becomes a row of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST_NAME = 80
_LONGEST_LIST = 32  # a longer list is a histogram or weights, nothing for a chart


@dataclass(frozen=True)
class Point:
    """One number in one round. Hearing it twice is no harm: (round, site, name) is its identity."""

    round: int
    """0 is before the first round."""
    name: str
    """`train/loss`, `evaluate/accuracy`, `server/accuracy`, `site/loss`…"""
    value: float
    """May be NaN or infinite; then the model is broken and people must see it."""
    site: str = ""
    """The partition it was measured on, empty for all together."""


def points_of(prefix: str, number: int, metrics: object, site: str = "") -> Iterator[Point]:
    """The numbers in a dict, lists as `name[0]`, `name[1]`…; everything else is left out."""
    if not isinstance(metrics, dict) or number < 0:
        return
    for key, value in metrics.items():
        name = f"{prefix}/{' '.join(str(key).split())}"[:_LONGEST_NAME]
        if isinstance(value, list | tuple):
            if len(value) <= _LONGEST_LIST:
                parts = {f"{key}[{at}]": part for at, part in enumerate(value) if _number(part)}
                yield from points_of(prefix, number, parts, site)
        elif _number(value):
            yield Point(number, name, _float(value), site)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an int beyond 1e308
        return float("inf") if value > 0 else float("-inf")
