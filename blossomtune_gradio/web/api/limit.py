"""No request body beyond 64 KiB. Pure ASGI: a big one is refused before anybody reads it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blossomtune_gradio.web.problems import problem

MOST = 64 * 1024  # bytes
_TOO_BIG = f"A request has at most {MOST // 1024} KiB. Send less."


class _TooBig(Exception):
    """More came than was announced."""


class BodyLimit:
    """Passes requests on whose body is small."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if int(announced) > MOST:  # digits only: the server's parser refuses the rest
            await problem(413, _TOO_BIG)(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MOST:
                raise _TooBig
            return message

        try:
            await self._app(scope, counted, send)
        except _TooBig:
            await problem(413, _TOO_BIG)(scope, receive, send)
