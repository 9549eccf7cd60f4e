"""The points of a run as charts, legend and table. Pure.

A list of values is one metric with parts (`name[0]`, `name[1]`…): few are drawn, of many the table
tells the span. A point belongs into a chart when the last part of its name speaks of accuracy or
loss; where some say just that, only they are drawn (not `val-loss` or `train-loss` beside `loss`),
and the table has all. Surprises of `gr.LinePlot`: a continuous axis would show round 1.5, so few
rounds are drawn as words; a line of a single point has no length, so the style makes it a dot; and
its script fails when a plot is hidden again, so a run without points gets an empty one (the style
hides it).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from types import MappingProxyType
from typing import Any

import pandas as pd

from blossomtune_gradio.services.runs.metrics import Value

NO_NAMES: Mapping[str, str] = MappingProxyType({})
CHARTS = {"accuracy": "acc", "loss": "loss"}  # chart: what the name of its metrics contains
COLOURS = ("#c2517f", "#1f8a8a", "#b07c10", "#6b74d6", "#5d8a3a", "#8d6e63")  # 3:1 on both papers
_WHO = {"server": "server", "evaluate": "sites, evaluation", "train": "sites, training"}
_MOST_SITES = 6  # more lines than that nobody can tell apart
_MOST_PARTS = 6  # likewise
_PART = re.compile(r"\[\d+\]$")
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
    many = _of_many_parts(values)
    cells: dict[tuple[int, str], list[float | None]] = defaultdict(list)
    for value in values:
        cells[value.round, _column(value, many)].append(value.value)
    columns = sorted({column for _, column in cells})
    rounds = sorted({value.round for value in values})
    return {
        "legend": [list(pair) for pair in colours(values, sites).items()],
        "columns": ["round", *columns],
        "rows": [[str(r), *(_cell(cells.get((r, c), [])) for c in columns)] for r in rounds],
    }


def _axis(frame: pd.DataFrame) -> dict[str, Any]:
    rounds = sorted(set(frame["round"]))
    words = len(rounds) <= _MOST_WORDS
    if words:
        frame = frame.assign(round=frame["round"].astype(str))
    return {"value": frame, "sort": [str(number) for number in rounds] if words else None}


def _drawn(values: Sequence[Value], chart_name: str) -> list[Value]:
    many = _of_many_parts(values)
    told = (value for value in values if value.value is not None and _whole(value) not in many)
    fitting = [value for value in told if _belongs(value, chart_name)]
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


def _of_many_parts(values: Sequence[Value]) -> set[str]:
    """Metrics with more parts than anybody can tell apart."""
    parts = Counter(_whole(value) for value in {v.name: v for v in values}.values())
    return {name for name, count in parts.items() if count > _MOST_PARTS}


def _whole(value: Value) -> str:
    """The name of the metric that this may be a part of."""
    return _PART.sub("[…]", value.name)


def _column(value: Value, many: Set[str]) -> str:
    name = _whole(value) if _whole(value) in many else value.name
    return f"{name} ({value.site})" if value.site else name


def _cell(values: Sequence[float | None]) -> str:
    if len(values) < 2:
        return "".join(_figure(value) for value in values)
    known = [value for value in values if value is not None]
    if not known:
        return "not a number"
    return f"{_figure(min(known))} … {_figure(max(known))}"


def _figure(value: float | None) -> str:
    if value is None:
        return "not a number"
    return f"{value:g}" if value.is_integer() else f"{value:.4g}"
