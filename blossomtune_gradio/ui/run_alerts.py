"""Alerts on the Runs page: which mails a person wants, and the webhooks."""

from __future__ import annotations

from typing import Any

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.store.models import AlertKind, Webhook, WebhookDelivery
from blossomtune_gradio.ui import asked as sent
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.parts import part
from blossomtune_gradio.ui.run_rows import iso

_WORDS = {
    AlertKind.RUN_FINISHED: "a run finished",
    AlertKind.RUN_FAILED: "a run failed",
    AlertKind.RUN_WAITING: "a run waits for sites",
    AlertKind.SITE_LOST: "a site was lost",
}
_TONES = {"sent": "good", "queued": "busy", "failed": "bad"}


def build_alerts(app: Application, guard: Guard) -> None:
    """Draw them into the current column."""

    def state(user: User) -> dict[str, Any]:
        wish = app.alerts.wishes(user)
        return {
            "kinds": [{"kind": kind.value, "words": _WORDS[kind]} for kind in AlertKind],
            "wished": wish.kinds,
            "email": user.email or wish.email,
            "email_is_known": bool(user.email),
            "hooks": [_hook(*pair) for pair in app.webhooks.list(user)],
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


def _hook(hook: Webhook, newest: WebhookDelivery | None) -> dict[str, Any]:
    status = newest.status_word if newest else ""
    return {
        "id": hook.id,
        "url": hook.url,
        "events": [_WORDS[AlertKind(kind)] for kind in hook.events],
        "by": hook.owner_name,
        "status": {"sent": "delivered", "failed": "given up", "queued": "on its way"}.get(
            status, "nothing sent yet"
        ),
        "tone": "bad" if newest and newest.last_error else _TONES.get(status, "off"),
        "error": newest.last_error if newest else "",
        "tries": newest.tries if newest else 0,
        "at": iso(newest.created_at) if newest else None,
    }
