"""Own parts of the page: each a `.html` for the frame, a `.js` that fills it and a `.css`.

Data never goes through an HTML template (Gradio evaluates those); scripts put it in as text.
Surprise: Gradio runs a script as the body of a function with `element` and `server`, so what all of
them use cannot be imported; `common.js` is in the page's head and makes it for each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from blossomtune_gradio.identity import Role

_FOLDER = Path(__file__).parent


def part(
    name: str,
    elem_id: str | None = None,
    readers: tuple[Callable[..., Any], ...] = (),
    role: Role = Role.ANYONE,
    **words: str,
) -> gr.HTML:
    """The component in `name.html` and `name.js`; `readers` are its guarded server functions.

    It is not shown below `role`. `words` replace `[[word]]` in the frame; they are never data.
    """
    frame = (_FOLDER / f"{name}.html").read_text("utf-8")
    for word, value in words.items():
        frame = frame.replace(f"[[{word}]]", value)
    script = _FOLDER / f"{name}.js"
    return gr.HTML(
        html_template=frame,
        js_on_load=script.read_text("utf-8") if script.exists() else None,
        server_functions=list(readers),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes=needs(role) if role > Role.ANYONE else None,
    )


def needs(role: Role) -> str:
    """Class of a part that only shows, and only asks the server, for this role and above."""
    return f"bt-for-{role.name.lower()}"


def head() -> str:
    """What stands in the head of each page: the common script and the style of all parts."""
    script = (_FOLDER / "common.js").read_text("utf-8")
    return f"<style>{stylesheet()}</style><script>{script}</script>"


def stylesheet() -> str:
    """The style of all parts, the common one first."""
    files = sorted(_FOLDER.glob("*.css"), key=lambda file: (file.name != "style.css", file.name))
    return "\n".join(file.read_text("utf-8") for file in files)
