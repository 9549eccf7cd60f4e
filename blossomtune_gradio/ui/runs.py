"""The Runs page: the queue, deploy a run, the history, apps, alerts; and one run in full."""

from __future__ import annotations

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.ui.apps import build_apps
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.run_alerts import build_alerts
from blossomtune_gradio.ui.run_detail import build_run_detail
from blossomtune_gradio.ui.run_form import build_run_form
from blossomtune_gradio.ui.run_list import build_history, build_queue


def build_runs(app: Application, guard: Guard) -> None:
    """Draw the page into the current Blocks."""
    with gr.Column(elem_id="all-runs"):
        build_queue(app, guard)
        build_run_form(app, guard)
        build_history(app, guard)
        build_apps(app, guard)
        build_alerts(app, guard)
    build_run_detail(app, guard)
