"""Lines an app prints for us: `@@BLOSSOM {"round": 2, "site": "3", "loss": 0.41}`.

`round` is the current one when it is missing. With a `site` the points are that site's, else the
server's; `"phase": "train"` or `"evaluate"` makes them averages of that phase. A line that is
not such an object is no error: apps may print what they like.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from blossomtune_gradio.flower.points import Point, points_of
from blossomtune_gradio.flower.server_process import MARK

__all__ = ["MARK", "own_points"]

_LONGEST_SITE = 64
_PHASES = ("train", "evaluate")


def own_points(text: str, current_round: int) -> Iterator[Point]:
    """The points in what stands behind the mark."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(said, dict):
        return
    number = said.pop("round", current_round)
    if not isinstance(number, int) or isinstance(number, bool):
        return
    site, phase = _site(said.pop("site", None)), said.pop("phase", None)
    prefix = phase if phase in _PHASES else ("site" if site else "server")
    yield from points_of(prefix, number, said, site)


def _site(value: object) -> str:
    return str(value)[:_LONGEST_SITE] if isinstance(value, str | int) else ""
