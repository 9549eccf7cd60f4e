"""The card of tokens for scripts: make one (it is shown this once), see all, revoke."""

from __future__ import annotations

from typing import Any

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import BlossomError, InvalidInput
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui.events import sent, sent_id
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.outcome import Said, outcome, said
from blossomtune_gradio.ui.parts import part
from blossomtune_gradio.views.account import TokenRow
from blossomtune_gradio.views.base import right_now

_MOST = 50  # newest tokens that are shown


def build_tokens(app: Application, guard: Guard) -> None:
    """Draw the card into the current column."""

    @guard.server_function(Role.ADMIN)
    def tokens(asked: object, user: User) -> dict[str, Any]:  # noqa: ARG001 - nothing is asked
        rows = [TokenRow.of(token).to_json() for token in app.tokens.list(user)[:_MOST]]
        return {"rows": rows, "now": right_now()}

    @guard(Role.ADMIN)
    def on_create(event: gr.EventData, user: User) -> Said:
        try:
            name, role = str(sent(event, "name")), str(sent(event, "role"))
            token, secret = app.tokens.create(user, name, role, _days(event))
        except BlossomError as error:  # not as a toast: what was typed stays beside it
            return said("bad", str(error))
        text = f"Copy the token of {token.name} now; it is never shown again."
        return {**said("good", text), "secret": secret}

    @guard(Role.ADMIN)
    def on_revoke(event: gr.EventData, user: User) -> Said:
        return outcome(lambda: f"{app.tokens.revoke(sent_id(event), user).name} is revoked.")

    rows = part("tokens_table", "tokens-table", readers=(tokens,), triggers=("create", "revoke"))
    rows.create(on_create, None, rows, api_visibility="private", show_progress="hidden")
    rows.revoke(on_revoke, None, rows, api_visibility="private", show_progress="hidden")


def _days(event: gr.EventData) -> float:
    days = sent(event, "days")
    if type(days) not in (int, float):
        raise InvalidInput("Say for how many days the token is good.")
    return float(str(days))
