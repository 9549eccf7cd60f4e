"""Everything the Join page shows of one person, as plain JSON. Asks the services, changes nothing.

A person only ever gets their own request and site: the services look them up by who asks.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.services.sites.service import Site
from blossomtune_gradio.store.models import Participant
from blossomtune_gradio.store.models import ParticipantStatus as Status
from blossomtune_gradio.ui.join_words import STEPS, stage_of
from blossomtune_gradio.views.base import iso
from blossomtune_gradio.views.participant import OwnRequest
from blossomtune_gradio.views.report import ReportView
from blossomtune_gradio.views.run import nameless_row


def standing(app: Application, user: User) -> dict[str, Any]:
    """Where `user` stands now. Times are ISO strings in UTC; `at` orders two answers."""
    signed_in = user.role >= Role.PARTICIPANT
    mine = app.participants.mine(user) if signed_in else None
    approved = mine is not None and mine.status is Status.APPROVED
    site = _site(app, mine, user) if mine and approved else None
    return {
        "at": time.time(),
        "now": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "steps": STEPS,
        "stage": vars(stage_of(signed_in, mine, site, delivers=app.outbox.delivers)),
        "sign_in": [] if signed_in else _sign_in(app),
        "request": OwnRequest.of(mine).to_json() if mine else None,
        "suggest": _suggest(user, mine),
        "code": _code(app, user, mine) if mine and mine.status is Status.REQUESTED else None,
        "member": _member(app, mine, site, user) if mine and approved else None,
        "report": _report(app, mine, user) if mine and approved else None,
        "runs": _runs(app, user, mine) if mine and site and site.node_id else [],
    }


def _sign_in(app: Application) -> list[dict[str, str]]:
    return [
        {"label": f"Sign in with {provider.label}", "href": f"login/{provider.name}?next=/join"}
        for provider in app.settings.providers
    ]


def _site(app: Application, mine: Participant, user: User) -> Site | None:
    return next((s for s in app.sites.sites(user) if s.participant_id == mine.id), None)


def _suggest(user: User, mine: Participant | None) -> dict[str, str]:
    """What the form begins with: the last request, or what the sign-in provider has verified."""
    if mine is None:
        return {"email": user.email}
    return {
        "site": mine.site,
        "email": mine.email,
        "organisation": mine.organisation,
        "message": mine.message,
        "data": mine.data,
    }


def _code(app: Application, user: User, mine: Participant) -> dict[str, Any]:
    again = datetime.now(UTC) + timedelta(seconds=app.participants.resend_wait(user))
    return {
        "expires": iso(mine.code_expires_at or mine.changed_at),
        "again": iso(again),
        "in_outbox": not app.outbox.delivers,
    }


def _member(app: Application, mine: Participant, site: Site | None, user: User) -> dict[str, Any]:
    nodes = app.sites.look(user).nodes
    node = nodes.get(int(site.node_id)) if site and site.node_id else None
    return {
        "kit": f"download/kit/{mine.id}",
        "partition": mine.partition_id,
        "partitions": app.options.partitions(),
        "token_hours": app.settings.join_token_hours,
        "last_seen": iso(site.last_seen) if site else None,
        "online_since": iso(node.online_since) if node else None,
    }


def _report(app: Application, mine: Participant, user: User) -> dict[str, Any] | None:
    newest = app.site_reports.latest(mine.id, user)
    return ReportView.of(newest).to_json() if newest else None


def _runs(app: Application, user: User, mine: Participant) -> list[dict[str, Any]]:
    """The newest runs since the approval: those the site could be part of."""
    newest = app.runs.list(user, limit=5)
    return [nameless_row(r).to_json() for r in newest if r.created_at >= mine.changed_at]
