"""What the browser is told with the page itself, before Gradio's script has found it out.

Gradio puts what is given as its `head=` in by script, after its files have come one after the
other; only here can a page say early which files it needs, and who asks. So the parts need not wait
for the header to tell the role, files are fetched side by side, and nothing is drawn before the
style of the parts is there. The page's policy is made here too, as its scripts must carry the nonce
that it names. Surprise: what has no `<base>`, as a page of Gradio has, is passed on
as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blossomtune_gradio.web import policy
from blossomtune_gradio.web.login import current_user

_BASE = re.compile(rb"<base [^>]*>")  # what addresses are relative to: links come after it


class EarlyHead:
    """Adds links and style, and the role of who asks, to each page of `app`."""

    def __init__(self, app: ASGIApp, links: Mapping[str, str], style: str = "") -> None:
        """`links` by the path of a page ("" is the first); `style` stands below Gradio's own."""
        self._app, self._style = app, style.encode()
        self._links = {path: text.encode() for path, text in links.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or "." in scope["path"]:
            await self._app(scope, receive, send)
            return
        links = self._links.get(scope["path"].strip("/"), b"")
        page = _Page(scope, links, self._style, send)
        await self._app(scope, receive, page.take)


class _Page:
    """One answer: held back until it is whole if it is HTML, else let through."""

    def __init__(self, scope: Scope, links: bytes, style: bytes, send: Send) -> None:
        self._scope, self._links, self._style, self._send = scope, links, style, send
        self._start: Message | None = None
        self._body = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_page(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        body, found = _BASE.subn(lambda base: base[0] + self._links, self._body, count=1)
        headers = [h for h in start["headers"] if h[0].lower() != b"content-length"]
        if found:
            user = await run_in_threadpool(current_user, Request(self._scope))
            body = body.replace(b"</head>", self._style + b"</head>", 1)
            body = body.replace(b"<html", f'<html data-role="{int(user.role)}"'.encode(), 1)
            body, allowed = policy.with_nonce(body)
            headers += [(policy.HEADER, allowed), (b"cache-control", b"private, no-cache")]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _is_page(start: Message) -> bool:
    kinds = [value for name, value in start["headers"] if name.lower() == b"content-type"]
    return start["status"] == 200 and kinds[:1] == [b"text/html; charset=utf-8"]
