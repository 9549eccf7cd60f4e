"""The card with the charts of one run: the newest on the Live page, the chosen one on Runs.

Surprise: no timer redraws the charts. The script of the numbers hears how many points there are and
calls `on_grown` only when it has drawn fewer.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui.charts import CHARTS, chart, numbers
from blossomtune_gradio.ui.events import sent_id
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.parts import part

NEWEST, CHOSEN = "newest", "chosen"
_HEIGHT = 240  # pixels of a chart


def build_charts(app: Application, guard: Guard, of: str = NEWEST) -> None:
    """Draw the card into the current column."""
    with gr.Column(elem_classes="bt-card", elem_id="charts"):
        part("charts")
        with gr.Row(elem_id="plots"):
            plots = [_plot(name) for name in CHARTS]
        below = part("numbers", elem_id="numbers", triggers=("grown",), of=of)

    @guard(Role.PARTICIPANT)
    def on_grown(event: gr.EventData, user: User) -> list[Any]:
        return _drawing(app, sent_id(event), user)

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


def _drawing(app: Application, run_id: int, user: User) -> list[Any]:
    drawn = [run_id, app.metrics.count(run_id) if run_id else 0]
    values = app.metrics.values(run_id, user) if run_id else []
    sites = {str(site.partition_id): site.name for site in app.sites.sites(user)}
    plots = [gr.LinePlot(**chart(values, name, sites)) for name in CHARTS]
    return [*plots, {**numbers(values, sites), "drawn": drawn}]
