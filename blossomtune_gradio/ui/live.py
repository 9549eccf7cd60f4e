"""The Live page: how the run and the sites stand, charts, logs. Nothing here changes anything."""

from __future__ import annotations

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role
from blossomtune_gradio.ui.chart_card import build_charts
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.log_reader import log_readers
from blossomtune_gradio.ui.parts import needs, part


def build_live(app: Application, guard: Guard) -> None:
    """Draw the page into the current Blocks."""
    part("overview", elem_id="overview")
    with gr.Column(elem_classes=needs(Role.PARTICIPANT)):
        build_charts(app, guard)
    readers = log_readers(app, guard)
    part("log_view", elem_id="log-view", readers=readers, role=Role.RESEARCHER, of="all")
