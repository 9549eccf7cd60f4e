"""The card of accounts: who has which role, and where it comes from."""

from __future__ import annotations

from typing import Any

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui.events import sent
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.outcome import Said, outcome
from blossomtune_gradio.ui.parts import part
from blossomtune_gradio.views.account import AccountRow
from blossomtune_gradio.views.base import right_now


def build_roles(app: Application, guard: Guard) -> None:
    """Draw the card; in local mode nobody signs in, so there is none."""
    if app.settings.is_local:
        return
    labels = {provider.name: provider.label for provider in app.settings.providers}

    @guard.server_function(Role.ADMIN)
    def accounts(asked: object, user: User) -> dict[str, Any]:
        text = asked.get("text") if isinstance(asked, dict) else ""
        known = app.accounts.accounts(user, str(text or "")[:200])
        rows = [
            AccountRow.of(one, provider=labels.get(one.provider, one.provider)).to_json()
            for one in known
        ]
        return {"rows": rows, "now": right_now()}

    rows = part("roles_table", "roles-table", readers=(accounts,), triggers=("change_role",))

    @guard(Role.ADMIN)
    def on_change_role(event: gr.EventData, user: User) -> Said:
        return outcome(lambda: _change(app, event, user))

    rows.change_role(on_change_role, None, rows, api_visibility="private", show_progress="hidden")


def _change(app: Application, event: gr.EventData, user: User) -> str:
    account_id = str(sent(event, "id"))
    match sent(event, "what"):
        case "grant":
            return f"{app.accounts.grant_researcher(account_id, user).username} is researcher now."
        case "take":
            name = app.accounts.take_researcher(account_id, user).username
            return f"{name} is no longer researcher by your grant."
        case "sign_out":
            count = app.accounts.end_sessions(account_id, user)
            return f"{count} session{'' if count == 1 else 's'} of {account_id} ended."
    raise InvalidInput("This is no change of a role. Reload the page.")
