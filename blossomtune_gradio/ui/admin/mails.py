"""The card of mails on their way out: how they stand, what each one waits for, try again."""

from __future__ import annotations

from typing import Any

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui.events import sent_id
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.outcome import Said, outcome
from blossomtune_gradio.ui.parts import part
from blossomtune_gradio.views.alert import MailRow
from blossomtune_gradio.views.base import iso, right_now


def build_mails(app: Application, guard: Guard) -> None:
    """Draw the card into the current column."""

    @guard.server_function(Role.ADMIN)
    def mails(asked: object, user: User) -> dict[str, Any]:  # noqa: ARG001 - nothing is asked
        state = app.outbox.state(user)
        return {
            "rows": [MailRow.of(mail).to_json() for mail in app.outbox.newest(user, limit=20)],
            "sentence": app.mail_warning or state.sentence,
            "tone": "bad" if app.mail_warning else state.tone,
            "next_try": iso(state.next_try_at),
            "can_try": state.delivers and state.waiting + state.given_up > 0,
            "delivers": state.delivers,
            "readable": app.outbox.readable,
            "now": right_now(),
        }

    card = part("outbox", "mails", readers=(mails,), triggers=("again", "send_again"))

    @guard(Role.ADMIN)
    def on_try_again(user: User) -> Said:
        def try_again() -> str:
            count = app.outbox.try_again(user)
            return f"{count} mail{'' if count == 1 else 's'} will be tried now."

        return outcome(try_again)

    @guard(Role.ADMIN)
    def on_send_again(event: gr.EventData, user: User) -> Said:
        def send_again() -> str:
            mail = app.outbox.send_again(sent_id(event), user)
            return f"The mail to {mail.recipient} is sent again."

        return outcome(send_again)

    card.send_again(on_send_again, None, card, api_visibility="private", show_progress="hidden")
    card.again(on_try_again, None, card, api_visibility="private", show_progress="hidden")
