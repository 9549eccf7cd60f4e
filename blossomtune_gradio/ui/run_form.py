"""The form that deploys a run: made from the app's own settings, checked while one types.

The script keeps what was typed for each app and sends it with every question, so an answer that
comes late can never overwrite anything. Surprise: the idempotency key travels with the form: two
clicks on the same filled-in form carry the same key, so they make one run.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import BlossomError, InvalidFields, InvalidInput, NotFound
from blossomtune_gradio.flower.apps.catalogue import FlowerApp
from blossomtune_gradio.flower.apps.config import form_value
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.services.runs.asking.request import (
    RunRequest,
    checked,
    differences,
    from_form,
    shown_command,
)
from blossomtune_gradio.services.runs.limits import RunLimits
from blossomtune_gradio.store.models import Run
from blossomtune_gradio.ui import asked as sent
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.parts import part
from blossomtune_gradio.views.app import AppForm

_LIMITS = {
    "min_sites": "The minimum number of sites",
    "quorum_seconds": "The quorum deadline",
    "round_seconds": "The round timeout",
}
Readers = tuple[Callable[..., Any], ...]


def build_run_form(app: Application, guard: Guard) -> None:
    """Draw the form into the current column."""
    part(
        "run_form",
        elem_id="run-form-part",
        readers=(*_asking(app, guard), *_acting(app, guard)),
        role=Role.RESEARCHER,
    )


def _asking(app: Application, guard: Guard) -> Readers:
    @guard.server_function(Role.RESEARCHER)
    def form(asked: object, user: User) -> dict[str, Any]:
        again = app.runs.get(sent.number(asked, "again"), user) if _has(asked, "again") else None
        apps = app.apps.apps()
        if not apps:
            none = f"There is no Flower app yet. Put one into {app.apps.folder}, a folder for each."
            raise NotFound(none)
        wanted = again.app if again else sent.text(asked, "app")
        first = next((one for one in apps if one.runnable), apps[0])
        chosen = app.apps.get(wanted) if wanted else first
        return {
            "apps": [{"name": one.name, "runnable": one.runnable} for one in apps],
            **AppForm.of(chosen).to_json(),
            "lacks": app.site_lacks.of(chosen, user),
            "partitions": app.options.partitions(),
            "presets": _presets(app, chosen, user),
            "last": _filled(chosen, app.history.newest_of(chosen.name, user)),
            "again": _filled(chosen, again),
            "key": _new_key(),
        }

    @guard.server_function(Role.RESEARCHER)
    def check(asked: object, user: User) -> dict[str, Any]:  # noqa: ARG001 - only a role is needed
        chosen = app.apps.get(sent.text(asked, "app"))
        faults, changed = _faults(chosen, asked)
        there = app.superlink.connection
        command = shown_command(chosen, there.name, changed, str(there.home))
        return {"faults": faults, "command": command}

    return form, check


def _acting(app: Application, guard: Guard) -> Readers:
    @guard.server_function(Role.RESEARCHER)
    def deploy(asked: object, user: User) -> dict[str, Any]:
        chosen = app.apps.get(sent.text(asked, "app"))
        faults, changed = _faults(chosen, asked)
        if faults:
            return _refused(faults)
        try:
            run = app.runs.start(
                chosen.name,
                user,
                name=sent.text(asked, "name"),
                config=changed,
                partitions=sent.typed_number(asked, "partitions", "The number of partitions")
                or None,
                key=sent.text(asked, "key")[:64] or None,
                limits=_limits(asked),
                tags=_tags(asked),
            )
        except InvalidFields as error:
            return _refused(error.fields)
        told = f"{run.name} is queued."
        try:
            if sent.field(asked, "watch") is True:
                app.alerts.watch(run.id, True, "", user)
        except BlossomError as error:  # the run is there all the same
            told = f"{told} But no alert is set: {error}"
        return {"id": run.id, "text": told, "key": _new_key()}

    @guard.server_function(Role.RESEARCHER)
    def keep(asked: object, user: User) -> dict[str, Any]:
        chosen = app.apps.get(sent.text(asked, "app"))
        faults, changed = _faults(chosen, asked)
        if faults:
            return _refused(faults)
        try:
            app.presets.save(sent.text(asked, "preset"), chosen.name, changed, _limits(asked), user)
        except InvalidFields as error:
            return _refused(error.fields)
        return {"presets": _presets(app, chosen, user)}

    @guard.server_function(Role.RESEARCHER)
    def drop(asked: object, user: User) -> dict[str, Any]:
        app.presets.delete(sent.number(asked, "id"), user)
        return {"presets": _presets(app, app.apps.get(sent.text(asked, "app")), user)}

    return deploy, keep, drop


def _faults(app: FlowerApp, asked: object) -> tuple[dict[str, str], dict[str, Any]]:
    """Sentences by field, and what differs from the defaults as far as it can be read."""
    faults: dict[str, str] = {}
    changed: dict[str, Any] = {}
    for key, value in sent.mapping(asked, "values").items():
        try:
            changed |= from_form(app, {key: value})
        except InvalidFields as error:
            faults |= error.fields
    limits = RunLimits()
    try:
        limits = _limits(asked)
    except InvalidFields as error:
        faults |= error.fields
    request = RunRequest(
        name=sent.text(asked, "name"), config=changed, limits=limits, tags=tuple(_tags(asked))
    )
    try:
        checked(app, request)
    except InvalidFields as error:
        faults |= error.fields
    except InvalidInput as error:
        faults["app"] = str(error)
    return faults, changed


def _limits(asked: object) -> RunLimits:
    faults: dict[str, str] = {}
    numbers = {}
    for name, what in _LIMITS.items():
        try:
            numbers[name] = sent.typed_number(asked, name, what)
        except InvalidFields as error:
            faults |= error.fields
    if faults:
        raise InvalidFields(faults)
    return RunLimits(**numbers, on_quorum=sent.text(asked, "on_quorum") or "stop")


def _tags(asked: object) -> list[str]:
    return [tag.strip() for tag in sent.text(asked, "tags").split(",") if tag.strip()]


def _refused(faults: Mapping[str, str]) -> dict[str, Any]:
    return {"faults": dict(faults), "text": "Nothing was started. Correct what is marked."}


def _presets(app: Application, chosen: FlowerApp, user: User) -> list[dict[str, Any]]:
    return [
        {
            "id": preset.id,
            "name": preset.name,
            "by": preset.owner_name,
            "mine": preset.owner == user.id or user.role >= Role.ADMIN,
            "values": _values(chosen, preset.config),
            "limits": preset.limits,
        }
        for preset in app.presets.list(chosen.name, user)
    ]


def _filled(chosen: FlowerApp, run: Run | None) -> dict[str, Any] | None:
    """The form as it was for an earlier run."""
    if run is None:
        return None
    limits = RunLimits(
        min_sites=run.min_sites,
        quorum_seconds=run.quorum_seconds,
        on_quorum=run.on_quorum,
        round_seconds=run.round_seconds,
    )
    return {
        "name": run.name,
        "values": _values(chosen, run.config),
        "limits": limits.to_json(),
        "tags": ", ".join(run.tags),
    }


def _values(chosen: FlowerApp, config: Mapping[str, Any]) -> dict[str, Any]:
    changed = differences(chosen, config)
    return {key: form_value(value) for key, value in changed.items()}


def _has(asked: object, name: str) -> bool:
    return type(sent.field(asked, name)) is int


def _new_key() -> str:
    return secrets.token_urlsafe(16)
