"""What each page needs, told before Gradio's script has found it out: scripts, style, our fonts.

Gradio's script names are of version 6.31; the hash in a file's name is looked up where Gradio is
installed. A name that is gone is left out, which costs time and nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import gradio as gr

from blossomtune_gradio.ui.parts.carrier import STYLE, carrier

_SCRIPTS = ("Blocks", "HTML", "core", "runtime", "statustracker", "HistoryStorageControl")
_FONTS = ("Regular", "Bold")
_ASSETS = Path(gr.__file__).parent / "templates" / "frontend" / "assets"
_PLEX = "./static/fonts/IBMPlexSans/IBMPlexSans-{}.woff2"  # as theme.css has it


def preloads(pages: gr.Blocks) -> dict[str, str]:
    """Links for each page by its path ("" is the first), relative to the base of the page."""
    scripts: dict[str, list[str]] = defaultdict(list)
    for block in pages.blocks.values():
        if isinstance(block, gr.HTML) and block.js_on_load:
            scripts[block.page].append(block.js_on_load)
    every = _modules([f"./assets/{name}" for name in _gradio()]) + "".join(
        '<link rel="preload" as="font" type="font/woff2" '
        f'href="{_PLEX.format(weight)}" crossorigin>'
        for weight in _FONTS
    )
    carried = carrier()
    return {
        page: every + _modules([carried.address(name) for name in carried.modules(of_page)])
        for page, of_page in scripts.items()
    }


def style_link() -> str:
    """The style of the parts; it has to stand below Gradio's."""
    return f'<link rel="stylesheet" href="{carrier().address(STYLE)}">'


def _gradio() -> list[str]:
    return [file.name for name in _SCRIPTS for file in sorted(_ASSETS.glob(f"{name}-*.js"))]


def _modules(addresses: list[str]) -> str:
    return "".join(f'<link rel="modulepreload" href="{address}">' for address in addresses)
