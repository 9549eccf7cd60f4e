"""The Admin page: the SuperLink, runs, who takes part, mails. Each callback asks one service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui.components import heading, part
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.outcome import Said, outcome
from blossomtune_gradio.ui.rows import by_need, mail_row, participant_row, right_now, run_row
from blossomtune_gradio.ui.run_form import build_run_form

_NO_MAIL_SERVER = "No mail server is set up, so mails wait here and you pass them on yourself."


def build_admin(app: Application, guard: Guard) -> None:
    """Draw the page into the current Blocks."""
    _superlink(app, guard)
    with gr.Row(elem_classes="bt-columns"):
        with gr.Column(elem_classes="bt-card", elem_id="run-form", scale=3, min_width=320):
            heading("Deploy a run")
            build_run_form(app, guard)
        with gr.Column(elem_classes="bt-card", elem_id="outbox-card", scale=2, min_width=320):
            heading("Outbox", _NO_MAIL_SERVER)
            part("outbox", elem_id="mails", readers=(_mails(app, guard),))
    with gr.Column(elem_classes="bt-card", elem_id="runs-card"):
        heading("Runs")
        _runs(app, guard)
    with gr.Column(elem_classes="bt-card", elem_id="participants-card"):
        heading("Sites and requests")
        _participants(app, guard)


def _superlink(app: Application, guard: Guard) -> None:
    panel = part("superlink", elem_id="superlink")

    @guard(Role.ADMIN)
    def on_start(user: User) -> Said:
        def start() -> str:
            app.federation.start(user)
            return "The SuperLink is running."

        return outcome(start)

    @guard(Role.ADMIN)
    def on_stop(user: User) -> Said:
        def stop() -> str:
            app.federation.stop(user)
            return "The SuperLink is stopped."

        return outcome(stop)

    panel.start(on_start, None, panel, api_visibility="private", show_progress="hidden")
    panel.stop(on_stop, None, panel, api_visibility="private", show_progress="hidden")


def _runs(app: Application, guard: Guard) -> None:
    @guard.server_function(Role.PARTICIPANT)
    def runs(asked: object, user: User) -> dict[str, Any]:  # noqa: ARG001 - nothing is asked
        return {"rows": [run_row(run, app.runs.why(run, user)) for run in app.runs.list(user)]}

    rows = part("runs_table", elem_id="runs-table", readers=(runs,))

    @guard(Role.RESEARCHER)
    def on_halt(event: gr.EventData, user: User) -> Said:
        def halt() -> str:
            run = app.runs.stop(_id(event), user)
            return f"{run.name} is being stopped."

        return outcome(halt)

    rows.halt(on_halt, None, rows, api_visibility="private", show_progress="hidden")


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
    number, reason = _id(event), str(_sent(event, "reason"))[:500]
    match _sent(event, "what"):
        case "approve":
            person = app.participants.approve(number, user)
            return f"{person.site} owns partition {person.partition_id} now. Its kit is ready."
        case "deny":
            return f"{app.participants.deny(number, user, reason).site} was denied."
        case "revoke":
            return f"{app.participants.revoke(number, user, reason).site} is being cut off."
    raise InvalidInput("This is neither approve nor deny nor revoke. Reload the page.")


def _mails(app: Application, guard: Guard) -> Callable[..., Any]:
    @guard.server_function(Role.ADMIN)
    def mails(asked: object, user: User) -> dict[str, Any]:  # noqa: ARG001 - nothing is asked
        rows = [mail_row(mail) for mail in app.outbox.newest(user, limit=20)]
        return {"rows": rows, "now": right_now()}

    return mails


def _sent(event: gr.EventData, name: str) -> object:
    """A field of what the script sent; it may be anything, or missing."""
    data = event._data
    return data.get(name, "") if isinstance(data, dict) else ""


def _id(event: gr.EventData) -> int:
    number = _sent(event, "id")
    if type(number) is not int:
        raise InvalidInput("The page sent no valid number. Reload it and try again.")
    return number
