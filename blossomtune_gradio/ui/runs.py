"""The Runs page: deploy a run, see all of them, stop one."""

from __future__ import annotations

from typing import Any

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui.apps import build_apps
from blossomtune_gradio.ui.components import heading, needs, part
from blossomtune_gradio.ui.events import sent_id
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.outcome import Said, outcome
from blossomtune_gradio.ui.rows import run_row
from blossomtune_gradio.ui.run_form import build_run_form


def build_runs(app: Application, guard: Guard) -> None:
    """Draw the page into the current Blocks."""
    with gr.Column(elem_classes=["bt-card", needs(Role.RESEARCHER)], elem_id="run-form"):
        heading("Deploy a run")
        build_run_form(app, guard)
    with gr.Column(elem_classes="bt-card", elem_id="runs-card"):
        heading("Runs")
        _runs(app, guard)
    build_apps(app, guard)


def _runs(app: Application, guard: Guard) -> None:
    @guard.server_function(Role.PARTICIPANT)
    def runs(asked: object, user: User) -> dict[str, Any]:  # noqa: ARG001 - nothing is asked
        return {"rows": [run_row(run, app.runs.why(run, user)) for run in app.runs.list(user)]}

    rows = part("runs_table", elem_id="runs-table", readers=(runs,))

    @guard(Role.RESEARCHER)
    def on_halt(event: gr.EventData, user: User) -> Said:
        def halt() -> str:
            run = app.runs.stop(sent_id(event), user)
            return f"{run.name} is being stopped."

        return outcome(halt)

    rows.halt(on_halt, None, rows, api_visibility="private", show_progress="hidden")
