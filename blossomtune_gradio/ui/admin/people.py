"""The card of requests and sites: approve, deny, revoke."""

from __future__ import annotations

from typing import Any

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui.components import heading, part
from blossomtune_gradio.ui.events import sent, sent_id
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.outcome import Said, outcome
from blossomtune_gradio.ui.rows import by_need, participant_row, right_now


def build_people(app: Application, guard: Guard) -> None:
    """Draw the card into the current column."""
    with gr.Column(elem_classes="bt-card", elem_id="participants-card"):
        heading("Sites and requests")
        _participants(app, guard)


def _participants(app: Application, guard: Guard) -> None:
    @guard.server_function(Role.ADMIN)
    def participants(asked: object, user: User) -> dict[str, Any]:  # noqa: ARG001 - nothing is asked
        sites = {site.participant_id: site for site in app.sites.sites(user)}
        people = sorted(app.participants.list(user), key=by_need)
        rows = [participant_row(person, sites.get(person.id)) for person in people]
        return {"rows": rows, "now": right_now()}

    rows = part("sites_table", elem_id="participants-table", readers=(participants,))

    @guard(Role.ADMIN)
    def on_decide(event: gr.EventData, user: User) -> Said:
        return outcome(lambda: _decide(app, event, user))

    rows.decide(on_decide, None, rows, api_visibility="private", show_progress="hidden")


def _decide(app: Application, event: gr.EventData, user: User) -> str:
    number, reason = sent_id(event), str(sent(event, "reason"))[:500]
    match sent(event, "what"):
        case "approve":
            person = app.participants.approve(number, user)
            return f"{person.site} owns partition {person.partition_id} now. Its kit is ready."
        case "deny":
            return f"{app.participants.deny(number, user, reason).site} was denied."
        case "revoke":
            return f"{app.participants.revoke(number, user, reason).site} is being cut off."
    raise InvalidInput("This is neither approve nor deny nor revoke. Reload the page.")
