"""Own parts of the page, a folder for each.

* `view.html`: the frame. Data never goes through it (Gradio evaluates templates); scripts put data
  in as text. What a script touches has a name: `data-part` once in a part, `data-cell` within a
  row. Rows are `<template>`s, so nothing is found by its position.
* `view.js`: a native module, `export const mount = ({ element, server, props, trigger, watch })`.
  It is called once, when the part is on the page: `element` is the part's own, `server` has its
  guarded functions, `trigger` starts a callback, `watch("value", …)` hears its answer in `props`.
  What parts share is in `kit/`; they import it by relative addresses and talk to each other by
  events of the document, which `kit/` names.
* `style.css`: its look; a class is dressed in one file only.
* `view.test.js`: its test, run with jsdom.

A part that only shows needs nothing but the frame. How the files get to the browser: `carrier`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from blossomtune_gradio.identity import Role
from blossomtune_gradio.ui.parts.carrier import FOLDER, carrier


def part(
    name: str,
    elem_id: str | None = None,
    readers: tuple[Callable[..., Any], ...] = (),
    triggers: tuple[str, ...] = (),
    role: Role = Role.ANYONE,
    **words: str,
) -> gr.HTML:
    """The part in the folder `name`; `readers` are its guarded server functions.

    `triggers` are the events its script starts callbacks with: `part(…).grown(callback, …)`. It is
    not shown below `role`. `words` replace `[[word]]` in the frame; they are never data.
    """
    frame = (FOLDER / name / "view.html").read_text("utf-8")
    for word, value in words.items():
        frame = frame.replace(f"[[{word}]]", value)
    return gr.HTML(
        html_template=frame,
        js_on_load=carrier().loader(name, triggers),
        server_functions=list(readers),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes=needs(role) if role > Role.ANYONE else None,
    )


def needs(role: Role) -> str:
    """Class of a part that only shows, and only asks the server, for this role and above."""
    return f"bt-for-{role.name.lower()}"
