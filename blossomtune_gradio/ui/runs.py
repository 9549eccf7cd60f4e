"""The Runs page: the queue, deploy a run, the history, apps, alerts; and one run in full."""

from __future__ import annotations

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role
from blossomtune_gradio.ui.apps import build_apps
from blossomtune_gradio.ui.components import heading, needs
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.run_alerts import build_alerts
from blossomtune_gradio.ui.run_detail import build_run_detail
from blossomtune_gradio.ui.run_form import build_run_form
from blossomtune_gradio.ui.run_list import build_history, build_queue

_ALERTS = (
    "Told by mail, or by a signed message to an address of yours. "
    "A single run can be watched on its own page."
)


def build_runs(app: Application, guard: Guard) -> None:
    """Draw the page into the current Blocks."""
    with gr.Column(elem_id="all-runs"):
        with gr.Column(elem_classes="bt-card", elem_id="queue-card"):
            build_queue(app, guard)
        with gr.Column(elem_classes=["bt-card", needs(Role.RESEARCHER)], elem_id="run-form"):
            heading("Deploy a run")
            build_run_form(app, guard)
        with gr.Column(elem_classes="bt-card", elem_id="runs-card"):
            heading("History")
            build_history(app, guard)
        build_apps(app, guard)
        with gr.Column(elem_classes=["bt-card", needs(Role.RESEARCHER)], elem_id="alerts-card"):
            heading("Alerts", _ALERTS)
            build_alerts(app, guard)
    build_run_detail(app, guard)
