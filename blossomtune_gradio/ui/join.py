"""The Join page: where somebody stands on the way to a connected site, and what comes next."""

from __future__ import annotations

from blossomtune_gradio.application import Application
from blossomtune_gradio.ui.components import heading
from blossomtune_gradio.ui.guard import Guard


def build_join(app: Application, guard: Guard) -> None:  # noqa: ARG001 - the page is still empty
    """Draw the page into the current Blocks."""
    heading("Join")
