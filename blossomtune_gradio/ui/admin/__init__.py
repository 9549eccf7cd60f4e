"""The Admin page: a card for each thing an admin looks after. Each asks one service."""

from __future__ import annotations

from blossomtune_gradio.application import Application
from blossomtune_gradio.ui.admin.audit import build_audit
from blossomtune_gradio.ui.admin.mails import build_mails
from blossomtune_gradio.ui.admin.people import build_people
from blossomtune_gradio.ui.admin.roles import build_roles
from blossomtune_gradio.ui.admin.superlink import build_superlink
from blossomtune_gradio.ui.admin.tokens import build_tokens
from blossomtune_gradio.ui.guard import Guard


def build_admin(app: Application, guard: Guard) -> None:
    """Draw the page into the current Blocks."""
    build_superlink(app, guard)
    build_people(app, guard)
    build_mails(app, guard)
    build_roles(app, guard)
    build_tokens(app, guard)
    build_audit(app, guard)
