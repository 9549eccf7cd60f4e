"""What a script of ours sent along with a click. Anybody can send anything, so it is checked."""

from __future__ import annotations

import gradio as gr

from blossomtune_gradio.errors import InvalidInput


def sent(event: gr.EventData, name: str) -> object:
    """A field of what the script sent; it may be anything, or missing ("")."""
    data = event._data
    return data.get(name, "") if isinstance(data, dict) else ""


def sent_id(event: gr.EventData, name: str = "id") -> int:
    """A whole number that the script sent.

    Raises:
        InvalidInput: there is none.
    """
    number = sent(event, name)
    if type(number) is not int:
        raise InvalidInput("The page sent no valid number. Reload it and try again.")
    return number
