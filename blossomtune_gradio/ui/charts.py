"""The points of a run as charts, legend and table. Pure.

A point belongs into a chart when the last part of its name speaks of accuracy or loss; where some
say just that, only they are drawn (not `val-loss` or `train-loss` beside `loss`), and the table has
all. Surprises of `gr.LinePlot`: a continuous axis would show round 1.5, so few rounds are drawn
as words; a line of a single point has no length, so the style makes it a dot; and its script
fails when a plot is hidden again, so a run without points gets an empty one (the style hides it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd

from blossomtune_gradio.services.runs.metrics import Value

NO_NAMES: Mapping[str, str] = MappingProxyType({})
CHARTS = {"accuracy": "acc", "loss": "loss"}  # chart: what the name of its metrics contains
COLOURS = ("#c2517f", "#1f8a8a", "#b07c10", "#6b74d6", "#5d8a3a", "#8d6e63")  # 3:1 on both papers
_WHO = {"server": "server", "evaluate": "sites, evaluation", "train": "sites, training"}
_MOST_SITES = 6  # more lines than that nobody can tell apart
_MOST_WORDS = 24  # rounds with a label each


def colours(values: Sequence[Value], sites: Mapping[str, str] = NO_NAMES) -> dict[str, str]:
    """One colour for each series, the same in all charts; the server's comes first."""
    shown = (value for name in CHARTS for value in _drawn(values, name))
    names = sorted({_series(v, sites) for v in shown}, key=lambda name: (name != "server", name))
    return dict(zip(names, COLOURS * len(names), strict=False))


def chart(
    values: Sequence[Value], name: str, sites: Mapping[str, str] = NO_NAMES
) -> dict[str, Any]:
    """Changed properties of one `gr.LinePlot`: it appears with the first point and then stays.

    `sites` has the names that people know the partitions by.
    """
    rows = [(v.round, _series(v, sites), v.value) for v in _drawn(values, name)]
    frame = pd.DataFrame(rows, columns=["round", "series", name]).sort_values(["series", "round"])
    if frame.empty:
        return {"value": frame.astype({"round": float, "series": str, name: float})}
    return {**_axis(frame), "color_map": colours(values, sites), "visible": True}


def numbers(values: Sequence[Value], sites: Mapping[str, str] = NO_NAMES) -> dict[str, Any]:
    """Legend and table: a row for each round, a column for each metric."""
    columns = sorted({_column(value) for value in values})
    cells = {(value.round, _column(value)): _figure(value.value) for value in values}
    rounds = sorted({value.round for value in values})
    return {
        "legend": [list(pair) for pair in colours(values, sites).items()],
        "columns": ["round", *columns],
        "rows": [[str(r), *(cells.get((r, column), "") for column in columns)] for r in rounds],
    }


def _axis(frame: pd.DataFrame) -> dict[str, Any]:
    rounds = sorted(set(frame["round"]))
    words = len(rounds) <= _MOST_WORDS
    if words:
        frame = frame.assign(round=frame["round"].astype(str))
    return {"value": frame, "sort": [str(number) for number in rounds] if words else None}


def _drawn(values: Sequence[Value], chart_name: str) -> list[Value]:
    fitting = [v for v in values if v.value is not None and _belongs(v, chart_name)]
    plain = [value for value in fitting if _says_just_that(value)]
    return plain or fitting


def _belongs(value: Value, chart_name: str) -> bool:
    few = not value.site or (value.site.isdecimal() and int(value.site) < _MOST_SITES)
    return CHARTS[chart_name] in _word(value) and few


def _says_just_that(value: Value) -> bool:
    return _word(value).removeprefix("train_").removeprefix("eval_") in ("acc", *CHARTS)


def _word(value: Value) -> str:
    return value.name.rpartition("/")[2].lower()


def _series(value: Value, sites: Mapping[str, str]) -> str:
    """Who measured; what, only where the name says more than that it is accuracy or loss."""
    prefix, _, last = value.name.rpartition("/")
    site = sites.get(value.site, f"site {value.site}")
    who = site if value.site else _WHO.get(prefix, prefix or "all")
    return who if _says_just_that(value) else f"{who}: {last}"


def _column(value: Value) -> str:
    return f"{value.name} ({value.site})" if value.site else value.name


def _figure(value: float | None) -> str:
    if value is None:
        return "not a number"
    return f"{value:g}" if value.is_integer() else f"{value:.4g}"
