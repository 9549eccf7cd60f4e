"""What a browser may do with an answer of ours: the Content-Security-Policy.

A page of Gradio may run scripts of this server and the few that its own head contains, which carry
a nonce made for that one answer; it talks to this server only and sends forms nowhere else. Two
things are wider than they should be, both for Gradio 6.31: `'unsafe-eval'`, because it makes
functions of text (what a part runs first, templates, charts), and inline styles, because it sets
`style` attributes and adds `<style>` elements. Everything else that is answered (data, files,
scripts) may do nothing at all if somebody opens it by itself.
"""

from __future__ import annotations

import re
import secrets

HEADER = b"content-security-policy"
NOTHING = b"default-src 'none'; base-uri 'none'; form-action 'none'"
_PAGE = (
    "default-src 'none'; "
    "script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; "
    "font-src 'self'; "
    "connect-src 'self'; "
    "manifest-src 'self'; "
    "base-uri 'self'; "
    "form-action 'self'"
)
_HUGGING_FACE = "https://huggingface.co https://*.huggingface.co"
_SCRIPT = re.compile(rb"<script\b")  # in what Gradio writes into a script, each `<` is escaped


def with_nonce(page: bytes) -> tuple[bytes, bytes]:
    """A page of Gradio whose scripts carry a nonce, and the policy that lets only those run."""
    nonce = secrets.token_urlsafe(16)
    marked = _SCRIPT.sub(b'<script nonce="' + nonce.encode() + b'"', page)
    return marked, _PAGE.format(nonce=nonce).encode()


def framed_by(*, on_space: bool) -> bytes:
    """Who may show our pages in a frame: nobody, on a Space the site around it."""
    return f"frame-ancestors {_HUGGING_FACE if on_space else repr('none')}".encode()
