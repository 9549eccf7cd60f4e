"""The Join page: where somebody stands on the way to a connected site, and what comes next.

All state is on the server: a reload or another device shows the same. Every answer is the whole
standing of the person who asks, a move's answer too. Surprise: moves are server functions, not
callbacks, because the script must learn that a move was *not* answered to keep what was typed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.join_site import site_readers
from blossomtune_gradio.ui.join_state import standing
from blossomtune_gradio.ui.parts import part

_ASKED = ("site", "email", "organisation", "message", "data")


def build_join(app: Application, guard: Guard) -> None:
    """Draw the page into the current Blocks."""

    @guard.server_function(Role.ANYONE)
    def stand(asked: object, user: User) -> dict[str, Any]:  # noqa: ARG001 - nothing is asked
        return standing(app, user)

    ask, confirm, resend, withdraw = _moves(app, guard)
    with gr.Column(elem_classes="bt-card", elem_id="join-card"):
        part("join", elem_id="join", readers=(stand,))
        part("join_form", elem_id="join-form", readers=(ask, confirm, resend, withdraw))
    part("join_site", elem_id="join-site", readers=site_readers(app, guard))
    part("join_leave", elem_id="join-leave", readers=(withdraw,))
    part("join_about", elem_id="join-about")


def _moves(app: Application, guard: Guard) -> tuple[Callable[..., Any], ...]:
    people = app.participants

    @guard.server_function(Role.PARTICIPANT)
    def ask(typed: object, user: User) -> dict[str, Any]:
        values = {name: _text(typed, name) for name in _ASKED}
        return _after(app, user, lambda: people.request_access(user, **values))

    @guard.server_function(Role.PARTICIPANT)
    def confirm(typed: object, user: User) -> dict[str, Any]:
        return _after(app, user, lambda: people.confirm(user, _text(typed, "code")))

    @guard.server_function(Role.PARTICIPANT)
    def resend(typed: object, user: User) -> dict[str, Any]:  # noqa: ARG001 - nothing is typed
        return _after(app, user, lambda: people.resend(user))

    @guard.server_function(Role.PARTICIPANT)
    def withdraw(typed: object, user: User) -> dict[str, Any]:  # noqa: ARG001 - nothing is typed
        return _after(app, user, lambda: people.withdraw(user))

    return ask, confirm, resend, withdraw


def _after(app: Application, user: User, move: Callable[[], object]) -> dict[str, Any]:
    """Make a move; where the person stands then, or the sentence and the field it is about."""
    try:
        move()
    except InvalidInput as error:
        return {"error": str(error), "field": error.field}
    return standing(app, user)


def _text(typed: object, name: str) -> str:
    """A field of what the script sent; anybody can send anything."""
    value = typed.get(name, "") if isinstance(typed, dict) else ""
    if not isinstance(value, str):
        raise InvalidInput("The page sent something that is no text. Reload it.", field=name)
    return value
