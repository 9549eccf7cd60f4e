"""What each page asks for late, for the browser to fetch early: Gradio's scripts and our fonts.

Gradio's script names are of version 6.31; the hash in a file's name is looked up where Gradio is
installed. A name that is gone is left out, which costs time and nothing else.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr

_SCRIPTS = ("Blocks", "HTML", "core", "runtime", "statustracker", "HistoryStorageControl")
_FONTS = ("Regular", "Bold")
_ASSETS = Path(gr.__file__).parent / "templates" / "frontend" / "assets"
_PLEX = "./static/fonts/IBMPlexSans/IBMPlexSans-{}.woff2"  # as theme.css has it


def preloads() -> str:
    """The links, relative to the base of the page."""
    scripts = [file.name for name in _SCRIPTS for file in sorted(_ASSETS.glob(f"{name}-*.js"))]
    fonts = [_PLEX.format(weight) for weight in _FONTS]
    return "".join(
        [f'<link rel="modulepreload" href="./assets/{name}">' for name in scripts]
        + [
            f'<link rel="preload" as="font" type="font/woff2" href="{font}" crossorigin>'
            for font in fonts
        ]
    )
