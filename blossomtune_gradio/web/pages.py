"""The few pages that are not Gradio's: the list of ways to sign in, and why one did not work.

No script, no request for anything else; the colours are those of the other pages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from starlette.responses import HTMLResponse

from blossomtune_gradio.ui.parts.carrier import stylesheet

_HERE = Path(__file__).parent / "templates"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
}


def sign_in_page(ways: Sequence[tuple[str, str]]) -> HTMLResponse:
    """Ways are (label, address)."""
    return _page("sign_in.html", 200, ways=ways)


def refused(sentence: str, status: int, reference: str) -> HTMLResponse:
    """Why a sign-in did not work, the way back, and what the operator finds the reason by."""
    return _page("refused.html", status, sentence=sentence, reference=reference)


def _page(name: str, status: int, **words: object) -> HTMLResponse:
    text = _templates().get_template(name).render(colours=_colours(), **words)
    return HTMLResponse(text, status, headers=_HEADERS)


@cache
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(_HERE), autoescape=True)


@cache
def _colours() -> str:
    """The tokens of the pages; here the system decides between light and dark."""
    light, dark = (
        re.findall(rf"^{start} (\{{.*?\n\}})", stylesheet(), re.DOTALL | re.MULTILINE)[0]
        for start in (r":root", r"\.dark")
    )
    return f":root {light} @media (prefers-color-scheme: dark) {{ :root {dark} }}"
