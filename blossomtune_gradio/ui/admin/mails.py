"""The card that shows mails on their way out."""

from __future__ import annotations

from typing import Any

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui.components import heading, part
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.rows import mail_row, right_now

_NO_MAIL_SERVER = "No mail server is set up, so mails wait here and you pass them on yourself."


def build_mails(app: Application, guard: Guard) -> None:
    """Draw the card into the current column."""

    @guard.server_function(Role.ADMIN)
    def mails(asked: object, user: User) -> dict[str, Any]:  # noqa: ARG001 - nothing is asked
        rows = [mail_row(mail) for mail in app.outbox.newest(user, limit=20)]
        return {"rows": rows, "now": right_now()}

    with gr.Column(elem_classes="bt-card", elem_id="outbox-card"):
        heading("Outbox", _NO_MAIL_SERVER)
        part("outbox", elem_id="mails", readers=(mails,))
