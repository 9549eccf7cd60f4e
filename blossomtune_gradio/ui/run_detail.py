"""One run in full, at the address `/runs?run=ID`."""

from __future__ import annotations

from typing import Any

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import InvalidFields, NotFound
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui import asked as sent
from blossomtune_gradio.ui.chart_card import CHOSEN, build_charts
from blossomtune_gradio.ui.components import needs, part
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.log_reader import log_readers
from blossomtune_gradio.ui.rows import right_now
from blossomtune_gradio.ui.run_form import Readers
from blossomtune_gradio.ui.run_rows import detail_row, event_row, site_row, without_names


def build_run_detail(app: Application, guard: Guard) -> None:
    """Draw it into the current Blocks; its script shows it when the address names a run."""
    with gr.Column(elem_id="run-detail"):
        part("run_detail", elem_id="run-detail-part", readers=_readers(app, guard))
        build_charts(app, guard, CHOSEN)
        with gr.Column(elem_classes=needs(Role.RESEARCHER)):
            part("log_view", elem_id="log-view", readers=log_readers(app, guard), of="run")


def _readers(app: Application, guard: Guard) -> Readers:
    @guard.server_function(Role.RESEARCHER)  # causes, waits and sites name others
    def detail(asked: object, user: User) -> dict[str, Any]:
        run = app.runs.get(sent.number(asked, "id"), user)
        may = user.role >= Role.RESEARCHER
        wait = app.runs.wait(run, user) if may else None
        events = app.history.events(run.id, user) if may else []
        sites = app.history.sites(run.id, user) if may else []
        shown = detail_row(run, _defaults(app, run.app))
        return {
            **(shown if may else without_names(shown)),
            "wait": wait.to_json() if wait else None,
            "events": [event_row(event) for event in events],
            "sites": [site_row(site) for site in sites],
            "points": app.metrics.count(run.id),
            "watched": may and app.alerts.watches(run.id, user),
            "can_act": may,
            "can_delete": may and (user.role >= Role.ADMIN or run.created_by == user.id),
            "now": right_now(),
        }

    @guard.server_function(Role.RESEARCHER)
    def halt(asked: object, user: User) -> dict[str, Any]:
        run = app.runs.stop(sent.number(asked, "id"), user)
        return {"text": f"{run.name} is {'stopped' if run.status.is_end else 'being stopped'}."}

    @guard.server_function(Role.RESEARCHER)
    def mark(asked: object, user: User) -> dict[str, Any]:
        note, tags, pin = (sent.field(asked, name) for name in ("note", "tags", "pinned"))
        try:
            app.history.mark(
                sent.number(asked, "id"),
                user,
                note=note if isinstance(note, str) else None,
                tags=tags.split(",") if isinstance(tags, str) else None,
                pinned=pin if isinstance(pin, bool) else None,
            )
        except InvalidFields as error:
            return {"error": str(error)}
        return {"text": "Saved."}

    @guard.server_function(Role.RESEARCHER)
    def watch(asked: object, user: User) -> dict[str, Any]:
        on = sent.field(asked, "on") is True
        app.alerts.watch(sent.number(asked, "id"), on, sent.text(asked, "email"), user)
        return {"text": "You will be told." if on else "You will not be told any more."}

    @guard.server_function(Role.RESEARCHER)
    def remove(asked: object, user: User) -> dict[str, Any]:
        return {"text": f"{app.history.delete(sent.number(asked, 'id'), user)} is deleted."}

    return detail, halt, mark, watch, remove


def _defaults(app: Application, name: str) -> dict[str, Any]:
    try:
        return dict(app.apps.get(name).config)
    except NotFound:  # the app is gone; its runs stay
        return {}
