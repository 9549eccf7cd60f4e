"""Presets of the launch form, alerts by mail, and webhooks."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import User
from blossomtune_gradio.services.runs.limits import RunLimits
from blossomtune_gradio.views.alert import MadeWebhook, PresetView, WebhookView, webhook_facts
from blossomtune_gradio.web.api.caller import Caller
from blossomtune_gradio.web.api.models import Deleted, Id, Setting, Strict

Kind = Literal["run_finished", "run_failed", "run_waiting", "site_lost"]


class Preset(Strict):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "short", "app": "message_app", "config": {"size": 3}}]
        }
    )
    name: str = Field(min_length=1, max_length=200)
    app: str = Field(min_length=1, max_length=200)
    config: dict[str, Setting] = Field(default_factory=dict, max_length=1000)
    min_sites: int = Field(0, ge=0, le=100_000)
    quorum_seconds: int = Field(0, ge=0, le=2_592_000)
    on_quorum: Literal["stop", "go on"] = "stop"
    round_seconds: int = Field(0, ge=0, le=2_592_000)


class Alerts(Strict):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kinds": ["run_failed"], "email": "ada@example.org"}]}
    )
    kinds: list[Kind] = Field(max_length=8)
    email: str = Field("", max_length=254, description="Where they go")


class Watch(Strict):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"on": True, "email": "ada@example.org"}]}
    )
    on: bool
    email: str = Field("", max_length=254, description="Where to; empty: as for all alerts")


class NewWebhook(Strict):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": "https://hooks.example.org/fl", "events": ["run_failed"]}]
        }
    )
    url: str = Field(min_length=1, max_length=2000)
    events: list[Kind] = Field(min_length=1, max_length=8)


class Queued(BaseModel):
    queued: bool


def router(app: Application, caller: Caller) -> APIRouter:
    """`/presets`, `/alerts`, `/webhooks`."""
    made = APIRouter(tags=["alerts"])
    _add_presets(made, app, caller)
    _add_alerts(made, app, caller)
    _add_webhooks(made, app, caller)
    return made


def _add_presets(made: APIRouter, app: Application, caller: Caller) -> None:
    by = Annotated[User, Depends(caller)]

    @made.get("/presets", summary="Presets of an app")
    def presets(
        user: by, app_name: Annotated[str, Query(alias="app", min_length=1, max_length=200)]
    ) -> list[PresetView]:
        return [PresetView.of(row) for row in app.presets.list(app_name, user)]

    @made.put("/presets", summary="Save a filled-in launch form under a name")
    def save(body: Preset, user: by) -> PresetView:
        limits = RunLimits(
            min_sites=body.min_sites,
            quorum_seconds=body.quorum_seconds,
            on_quorum=body.on_quorum,
            round_seconds=body.round_seconds,
        )
        return PresetView.of(app.presets.save(body.name, body.app, body.config, limits, user))

    @made.delete("/presets/{preset_id}", summary="Take a preset away")
    def delete(preset_id: Id, user: by) -> Deleted:
        app.presets.delete(preset_id, user)
        return Deleted(deleted=str(preset_id))


def _add_alerts(made: APIRouter, app: Application, caller: Caller) -> None:
    by = Annotated[User, Depends(caller)]

    @made.get("/alerts", summary="What this token's user is told of by mail")
    def alerts(user: by) -> Alerts:
        wish = app.alerts.wishes(user)
        return Alerts(kinds=wish.kinds, email=wish.email)  # type: ignore[arg-type]

    @made.put("/alerts", summary="Choose what to be told of")
    def wish(body: Alerts, user: by) -> Alerts:
        found = app.alerts.wish(body.kinds, body.email, user)
        return Alerts(kinds=found.kinds, email=found.email)  # type: ignore[arg-type]

    @made.put("/runs/{run_id}/watch", summary="Be told of its end and its waits, or no more")
    def watch(run_id: Id, body: Watch, user: by) -> Watch:
        app.alerts.watch(run_id, body.on, body.email, user)
        return body


def _add_webhooks(made: APIRouter, app: Application, caller: Caller) -> None:
    by = Annotated[User, Depends(caller)]

    @made.get("/webhooks", summary="Addresses that are told of events")
    def webhooks(user: by) -> list[WebhookView]:
        return [
            WebhookView.of(hook, **webhook_facts(newest))
            for hook, newest in app.webhooks.list(user)
        ]

    @made.post("/webhooks", status_code=201, summary="Tell an address of events")
    def add(body: NewWebhook, user: by) -> MadeWebhook:
        hook, secret = app.webhooks.add(body.url, body.events, user)
        return MadeWebhook.of(hook, **webhook_facts(None), secret=secret)

    @made.post("/webhooks/{webhook_id}/test", summary="Send a message that says it is a test")
    def test(webhook_id: Id, user: by) -> Queued:
        app.webhooks.test(webhook_id, user)
        return Queued(queued=True)

    @made.delete("/webhooks/{webhook_id}", summary="Take a webhook away")
    def remove(webhook_id: Id, user: by) -> Deleted:
        app.webhooks.delete(webhook_id, user)
        return Deleted(deleted=str(webhook_id))
