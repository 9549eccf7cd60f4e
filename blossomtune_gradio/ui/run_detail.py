"""One run in full, at the address `/runs?run=ID`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import InvalidFields, NotFound
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.store.models import Run, RunSite, now
from blossomtune_gradio.ui import asked as sent
from blossomtune_gradio.ui.chart_card import CHOSEN, build_charts
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.log_reader import log_readers
from blossomtune_gradio.ui.parts import part
from blossomtune_gradio.ui.run_form import Readers
from blossomtune_gradio.views.base import right_now
from blossomtune_gradio.views.run import run_detail
from blossomtune_gradio.views.run_parts import EventRow, RunSiteRow

_TAIL_COMES = timedelta(minutes=1)  # after the end of a run that its sites' output may still come


def build_run_detail(app: Application, guard: Guard) -> None:
    """Draw it into the current Blocks; its script shows it when the address names a run."""
    with gr.Column(elem_id="run-detail"):
        part("run_detail", elem_id="run-detail-part", readers=_readers(app, guard))
        build_charts(app, guard, CHOSEN)
        readers = log_readers(app, guard)
        part("log_view", elem_id="log-view", readers=readers, role=Role.RESEARCHER, of="run")


def _readers(app: Application, guard: Guard) -> Readers:
    @guard.server_function(Role.RESEARCHER)  # causes, waits and sites name others
    def detail(asked: object, user: User) -> dict[str, Any]:
        run = app.runs.get(sent.number(asked, "id"), user)
        wait, sites = app.runs.wait(run, user), app.history.sites(run.id, user)
        return {
            **run_detail(run, wait, sites, _defaults(app, run.app)).to_json(),
            "events": [EventRow.of(one).to_json() for one in app.history.events(run.id, user)],
            "sites": _sites(app, run, sites, user),
            "points": app.metrics.count(run.id),
            "files": _files(app, run, user),
            "watched": app.alerts.watches(run.id, user),
            "can_delete": user.role >= Role.ADMIN or run.created_by == user.id,
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


def _sites(
    app: Application, run: Run, sites: Sequence[RunSite], user: User
) -> list[dict[str, Any]]:
    """What each site did, with the output that those which failed share."""
    failed = [site.participant_id for site in sites if site.failures and site.participant_id]
    until = (run.ended_at or now()) + _TAIL_COMES
    tails = app.site_reports.tails(failed, run.created_at, until, user)
    return [
        RunSiteRow.of(site, tail=tails.get(site.participant_id or 0, "")).to_json()
        for site in sites
    ]


def _files(app: Application, run: Run, user: User) -> dict[str, Any]:
    """What the run left behind; their addresses are made here, as names may be anything."""
    found = app.results.of(run.id, user)
    listed = [
        {"name": f.name, "size": f.size, "href": f"download/run/{run.id}/files/{quote(f.name)}"}
        for f in found.files
    ]
    return {"listed": listed, "left_out": found.left_out}


def _defaults(app: Application, name: str) -> dict[str, Any]:
    try:
        return dict(app.apps.get(name).config)
    except NotFound:  # the app is gone; its runs stay
        return {}
