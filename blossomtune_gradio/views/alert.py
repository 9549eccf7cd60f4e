"""What presets, alerts, webhooks and mails look like from outside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from blossomtune_gradio.store.models import AlertKind, Webhook, WebhookDelivery
from blossomtune_gradio.views.base import From, Moment, Tone, View, Word

KINDS: Mapping[AlertKind, str] = {
    AlertKind.RUN_FINISHED: "a run finished",
    AlertKind.RUN_FAILED: "a run failed",
    AlertKind.RUN_WAITING: "a run waits for sites",
    AlertKind.SITE_LOST: "a site was lost",
}
_NOTHING_SENT = Word("nothing sent yet", "off")
_DELIVERY: Mapping[str, Word] = {
    "sent": Word("delivered", "good"),
    "queued": Word("on its way", "busy"),
    "failed": Word("given up", "bad"),
}


class PresetView(View):
    id: int
    name: str
    app: str
    config: dict[str, Any]
    limits: dict[str, Any]
    owner: Annotated[str, From(lambda row: row.owner_name or row.owner)]


class WebhookView(View):
    id: int
    url: str
    events: list[str]
    owner: Annotated[str, From(lambda hook: hook.owner_name or hook.owner)]
    newest: str = Field(description="State of its newest delivery; may be empty")
    trouble: str


class MadeWebhook(WebhookView):
    secret: str = Field(description="Signs what is sent; shown this once")


class WebhookRow(View):
    """One webhook on the Runs page, and how its newest delivery stands."""

    id: int
    url: str
    events: Annotated[
        list[str], From(lambda hook: [KINDS[AlertKind(kind)] for kind in hook.events])
    ]
    by: Annotated[str, From("owner_name")]
    status: str
    tone: Tone
    error: str
    tries: int
    at: Moment


class MailView(View):
    id: int
    status: Annotated[str, From("status_word")]
    recipient: str
    subject: str
    body: str
    created_at: datetime


class MailRow(View):
    """One mail in the outbox of the Admin page."""

    id: int
    status: Annotated[str, From("status_word")]
    recipient: str
    subject: str
    body: str
    created: Annotated[Moment, From("created_at")]
    sent: Annotated[Moment, From("sent_at")]
    tries: int
    error: Annotated[str, From("last_error")]
    next_try: Annotated[Moment, From("next_try_at")]


def webhook_facts(newest: WebhookDelivery | None) -> dict[str, str]:
    """What REST tells of the newest delivery."""
    return {
        "newest": newest.status_word if newest else "",
        "trouble": newest.last_error if newest else "",
    }


def webhook_row(hook: Webhook, newest: WebhookDelivery | None) -> WebhookRow:
    """As the page shows it."""
    word = _DELIVERY.get(newest.status_word, _NOTHING_SENT) if newest else _NOTHING_SENT
    return WebhookRow.of(
        hook,
        status=word.text,
        tone="bad" if newest and newest.last_error else word.tone,
        error=newest.last_error if newest else "",
        tries=newest.tries if newest else 0,
        at=newest.created_at if newest else None,
    )
