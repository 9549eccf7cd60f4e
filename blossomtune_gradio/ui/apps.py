"""The card of Flower apps: what each is, what is wrong with it, and a new one from the template."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui.events import sent
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.outcome import Said, outcome
from blossomtune_gradio.ui.parts import part
from blossomtune_gradio.views.app import AppRow


def build_apps(app: Application, guard: Guard) -> None:
    """Draw the card into the current column."""

    @guard.server_function(Role.RESEARCHER)
    def apps(asked: object, user: User) -> dict[str, Any]:
        rows = [AppRow.of(one).to_json() for one in app.apps.list(user)]
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
