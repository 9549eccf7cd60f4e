"""What a request of a site is, and a plain answer to it. Pure but for the answer."""

from __future__ import annotations

import re

from starlette.types import Scope, Send

from blossomtune_gradio.flower.link.replies import KEY_HEADER
from blossomtune_gradio.web.upstream import Headers

JOIN_PATH = "/api/v1/join"
REPORT_PATH = f"{JOIN_PATH}/report"
# Flower's paths are one plain word. Anything else (dots, escapes, doubled slashes) is a trick.
_FLEET_PATH = re.compile(rb"/v1/fleet(/[A-Za-z0-9_-]+)+")
_KEY_HEADER = KEY_HEADER.encode()


class Once:
    """`send`, remembering whether the answer was begun."""

    def __init__(self, raw: Send) -> None:
        self.raw, self.started = raw, False

    async def start(self, status: int, headers: Headers) -> None:
        self.started = True
        await self.raw({"type": "http.response.start", "status": status, "headers": headers})

    async def body(self, data: bytes, *, more: bool) -> None:
        await self.raw({"type": "http.response.body", "body": data, "more_body": more})


async def refuse(
    scope: Scope, send: Send, status: int, sentence: str = "", *, retry_after: int | None = None
) -> None:
    """Answer without the SuperLink: a short sentence in plain text, or nothing at all."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    body = sentence.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8")] if body else []
    headers.append((b"content-length", str(len(body)).encode()))
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def is_fleet_request(scope: Scope) -> bool:
    """Whether it is one of Flower's, plainly written."""
    return _is_plain_post(scope) and _FLEET_PATH.fullmatch(raw_path(scope)) is not None


def is_join_request(scope: Scope) -> bool:
    """Whether a site hands its key in, or reports."""
    return _is_plain_post(scope) and raw_path(scope).decode("latin-1") in (JOIN_PATH, REPORT_PATH)


def _is_plain_post(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] == "POST" and not scope["query_string"]


def raw_path(scope: Scope) -> bytes:
    """The path as it was sent; `scope["path"]` has its escapes decoded already."""
    raw: bytes | None = scope.get("raw_path")
    return raw if raw is not None else scope["path"].encode()


def client_address(scope: Scope) -> str:
    """Where it comes from; "" if that is not known."""
    client = scope.get("client")
    return client[0] if client else ""


def key_of(scope: Scope) -> bytes:
    """The public key of the one who says that he signed this."""
    return next((value for name, value in scope["headers"] if name == _KEY_HEADER), b"")


def content_length(scope: Scope) -> int | None:
    """Bytes the client announced; None when the body is chunked (that wins, says RFC 9112)."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers or b"content-length" not in headers:
        return None
    return int(headers[b"content-length"])  # digits only: uvicorn's parser refuses the rest
