"""What came of a click, twice: a toast now, and a line that stays where the click was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

import gradio as gr

from blossomtune_gradio.errors import BlossomError

Said: TypeAlias = dict[str, str]  # tone, text, at


def said(tone: str, text: str) -> Said:
    """A sentence with a tone (good, busy, bad). The time makes two equal ones differ."""
    return {"tone": tone, "text": text, "at": datetime.now(UTC).isoformat()}


def outcome(action: Callable[[], str]) -> Said:
    """Run `action` and tell what it returns, or why it could not be done."""
    try:
        text = action()
    except BlossomError as error:  # not raised on: the line under the button needs it as well
        gr.Warning(str(error))
        return said("bad", str(error))
    gr.Success(text)
    return said("good", text)
