"""Lines an app prints for us: `@@BLOSSOM {"round": 2, "site": "3", "loss": 0.41}`.

`round` is the current one when it is missing. With a `site` the points are that site's, else the
server's; `"phase": "train"` or `"evaluate"` makes them averages of that phase. Values that are no
numbers are left out; a line that is not such an object at all is told as not understood.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from blossomtune_gradio.flower.lines.points import NotUnderstood, Told, points_of
from blossomtune_gradio.flower.link.server_process import MARK

__all__ = ["MARK", "own_points"]

_PHASES = ("train", "evaluate")


def own_points(text: str, current_round: int) -> Iterator[Told]:
    """The points in what stands behind the mark."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        yield NotUnderstood(f"behind {MARK.strip()} stands no JSON object")
        return
    number = said.pop("round", current_round)
    if not isinstance(number, int) or isinstance(number, bool):
        yield NotUnderstood("its round is no whole number")
        return
    try:
        site = _site(said.pop("site", None))
    except ValueError:
        yield NotUnderstood("its site is no name or number")
        return
    phase = said.pop("phase", None)
    prefix = phase if phase in _PHASES else ("site" if site else "server")
    yield from points_of(prefix, number, said, site)


def _site(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | int):
        raise ValueError(value)
    return str(value)  # a number of more than 4300 digits is a ValueError too
