"""The card of Flower apps: what each is, what is wrong with it, and a new one from the template."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.flower.apps.catalogue import ConfigField, FlowerApp
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.plain_text import plain
from blossomtune_gradio.ui.events import sent
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.outcome import Said, outcome
from blossomtune_gradio.ui.parts import part

_MOST_FIELDS = 100  # settings that are shown of one app
_LONGEST_VALUE = 120  # characters
_APIS = {"message": "Message API", "legacy": "older API", "unknown": ""}


def build_apps(app: Application, guard: Guard) -> None:
    """Draw the card into the current column."""

    @guard.server_function(Role.RESEARCHER)
    def apps(asked: object, user: User) -> dict[str, Any]:
        rows = [app_row(one) for one in app.apps.list(user)]
        state = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
        if isinstance(asked, dict) and asked.get("state") == state:
            return {"state": state}  # most answers: nothing has changed
        return {"state": state, "rows": rows, "folder": str(app.apps.folder)}

    @guard.server_function(Role.RESEARCHER)
    def app_readme(asked: object) -> dict[str, str]:
        name = asked.get("name") if isinstance(asked, dict) else None
        return {"html": app.apps.get(str(name)).readme}

    cards = part("apps", elem_id="apps", readers=(apps, app_readme), triggers=("make",))

    @guard(Role.RESEARCHER)
    def on_make(event: gr.EventData, user: User) -> Said:
        def make() -> str:
            name, title = str(sent(event, "name")), str(sent(event, "title"))
            made = app.apps.create(name, user, title)
            return f"{made.title} is ready to run. Make it yours in {made.path}."

        return outcome(make)

    cards.make(on_make, None, cards, api_visibility="private", show_progress="hidden")


def app_row(app: FlowerApp) -> dict[str, Any]:
    """One app as plain JSON, short enough to be sent often. Its README comes when it is opened."""
    levels = {finding.level for finding in app.findings}
    word, tone = ("ready", "good") if app.runnable else ("cannot run", "bad")
    if app.runnable and "warning" in levels:
        word, tone = "ready, with warnings", "busy"
    return {
        "name": app.name,
        "title": app.title,
        "tone": tone,
        "word": word,
        "description": app.description,
        "about": [
            one
            for one in (_folder(app), app.version, app.publisher, *app.frameworks, _APIS[app.api])
            if one
        ],
        "findings": [{"level": one.level, "text": one.sentence} for one in app.findings],
        "fields": [_field(one) for one in app.fields[:_MOST_FIELDS]],
        "more_fields": max(0, len(app.config) - _MOST_FIELDS),
        "facts": _facts(app),
        "has_readme": bool(app.readme),
    }


def _folder(app: FlowerApp) -> str:
    return "" if app.name == app.title else app.name


def _field(field: ConfigField) -> dict[str, str]:
    return {
        "key": _short(field.key),
        "type": field.type,
        "default": _short(json.dumps(field.default, ensure_ascii=False)),
        "comment": field.comment,
    }


def _facts(app: FlowerApp) -> list[list[str]]:
    """Pairs of a word and what it is."""
    facts = [
        ("Folder", _short(str(app.path))),
        ("Server", app.components.get("serverapp", "")),
        ("Sites", app.components.get("clientapp", "")),
        ("Needs", ", ".join(app.dependencies)),
        ("Each site needs", ", ".join(dict.fromkeys(app.needs.modules.values()))),
        ("In site.toml", ", ".join(app.needs.keys)),
        ("Bundle", f"{app.bundle_size / 1000:,.0f} kB" if app.bundle_size else ""),
        ("Bundle hash", app.bundle_hash),
        ("Git revision", app.revision),
    ]
    return [[word, said] for word, said in facts if said]


def _short(text: str) -> str:
    text = "".join(letter if letter.isprintable() else "·" for letter in plain(text))
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
