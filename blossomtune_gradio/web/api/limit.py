"""No request body beyond 64 KiB. Pure ASGI: a big one is refused before anybody parses it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blossomtune_gradio.web.problems import problem

MOST = 64 * 1024  # bytes
_TOO_BIG = f"A request has at most {MOST // 1024} KiB. Send less."


class BodyLimit:
    """Passes requests on whose body is small, once all of it is there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        announced = int(dict(scope["headers"]).get(b"content-length", b"0"))
        body = None if announced > MOST else await _whole(receive)
        if body is None:
            await problem(413, _TOO_BIG)(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)


async def _whole(receive: Receive) -> bytes | None:
    """The body, or None when it is too big."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > MOST:
            return None
        more = message.get("more_body", False)
    return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body once, and then whatever comes: that the client hung up."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
