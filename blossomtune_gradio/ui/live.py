"""The Live page: how the run and the sites stand, charts, logs. Nothing here changes anything.

Surprise: no timer redraws the charts. The script of the numbers hears with each pulse how many
points there are and calls `on_grown` only when it has drawn fewer.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui.charts import CHARTS, chart, numbers
from blossomtune_gradio.ui.components import heading, needs, part
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.log_reader import log_readers

_HEIGHT = 240  # pixels of a chart


def build_live(app: Application, guard: Guard) -> None:
    """Draw the page into the current Blocks."""
    part("overview", elem_id="overview")
    with gr.Column(elem_classes=needs(Role.PARTICIPANT)):
        _charts(app, guard)
    with gr.Column(elem_classes=needs(Role.RESEARCHER)):
        part("log_view", elem_id="log-view", readers=log_readers(app, guard))


def _charts(app: Application, guard: Guard) -> None:
    with gr.Column(elem_classes="bt-card", elem_id="charts"):
        heading("Metrics per round")
        with gr.Row(elem_id="plots"):
            plots = [_plot(name) for name in CHARTS]
        below = part("numbers", elem_id="numbers")

    @guard(Role.PARTICIPANT)
    def on_grown(user: User) -> list[Any]:
        run = app.overview.snapshot(user)["run"]
        return _drawing(app, [run["id"], run["points"]] if run else [0, 0], user)

    outputs = [*plots, below]
    below.grown(on_grown, None, outputs, api_visibility="private", show_progress="hidden")


def _plot(name: str) -> gr.LinePlot:
    return gr.LinePlot(
        x="round",
        y=name,
        color="series",
        title=name.capitalize(),
        y_title=" ",
        y_axis_format=".3~g",
        height=_HEIGHT,
        min_width=300,
        colors_in_legend=[],  # the legend is ours: one for both charts, in a size to read
        visible=False,
        elem_id=f"{name}-chart",
    )


def _drawing(app: Application, now: list[int], user: User) -> list[Any]:
    values = app.metrics.values(now[0], user) if now[0] else []
    sites = {str(site.partition_id): site.name for site in app.sites.sites(user)}
    plots = [gr.LinePlot(**chart(values, name, sites)) for name in CHARTS]
    return [*plots, {**numbers(values, sites), "drawn": now}]
