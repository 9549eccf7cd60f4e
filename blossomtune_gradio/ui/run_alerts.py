"""Alerts on the Runs page: which mails a person wants, and the webhooks."""

from __future__ import annotations

from typing import Any

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui import asked as sent
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.parts import part
from blossomtune_gradio.views.alert import KINDS, webhook_row


def build_alerts(app: Application, guard: Guard) -> None:
    """Draw them into the current column."""

    def state(user: User) -> dict[str, Any]:
        wish = app.alerts.wishes(user)
        return {
            "kinds": [{"kind": kind.value, "words": words} for kind, words in KINDS.items()],
            "wished": wish.kinds,
            "email": user.email or wish.email,
            "email_is_known": bool(user.email),
            "hooks": [webhook_row(*pair).to_json() for pair in app.webhooks.list(user)],
        }

    @guard.server_function(Role.RESEARCHER)
    def alerts(asked: object, user: User) -> dict[str, Any]:  # noqa: ARG001 - nothing is asked
        return state(user)

    @guard.server_function(Role.RESEARCHER)
    def wish(asked: object, user: User) -> dict[str, Any]:
        app.alerts.wish(sent.texts(asked, "kinds"), sent.text(asked, "email"), user)
        return {**state(user), "text": "Saved."}

    @guard.server_function(Role.RESEARCHER)
    def hook(asked: object, user: User) -> dict[str, Any]:
        _, secret = app.webhooks.add(sent.text(asked, "url"), sent.texts(asked, "kinds"), user)
        return {**state(user), "secret": secret}

    @guard.server_function(Role.RESEARCHER)
    def unhook(asked: object, user: User) -> dict[str, Any]:
        app.webhooks.delete(sent.number(asked, "id"), user)
        return {**state(user), "text": "Deleted."}

    @guard.server_function(Role.RESEARCHER)
    def probe(asked: object, user: User) -> dict[str, Any]:
        app.webhooks.test(sent.number(asked, "id"), user)
        return {**state(user), "text": "A test is on its way."}

    part(
        "run_alerts",
        elem_id="run-alerts",
        readers=(alerts, wish, hook, unhook, probe),
        role=Role.RESEARCHER,
    )
