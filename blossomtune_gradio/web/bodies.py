"""No body beyond what a path may have; an app behind this gets all of it at once.

Pure ASGI; a big one is refused before anybody parses it. Surprise: the Fleet API is not behind
this, its bodies are streamed (see `fleet`). How long a body may take is the protocol's business.
"""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blossomtune_gradio.web.limits import KIB, body_limit
from blossomtune_gradio.web.problems import problem


class BodyLimit:
    """Passes requests on once their whole body is there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = body_limit(scope["path"])
        try:
            body = await whole(scope, receive, most)
        except TooBig:
            await _too_big(scope["path"], most)(scope, receive, send)
        except HungUp:
            return
        else:
            await self._app(scope, replay(body, receive), send)


class TooBig(Exception):
    """The body has more bytes than allowed."""


class HungUp(Exception):
    """The body will never be whole."""


async def whole(scope: Scope, receive: Receive, most: int) -> bytes:
    """The body of a request, which has at most `most` bytes.

    Raises:
        TooBig: it has more, or says so.
        HungUp: the client left before its end.
    """
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if int(announced) > most:  # digits only: the parser refuses the rest
        raise TooBig
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HungUp
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > most:
            raise TooBig
        more = message.get("more_body", False)
    return b"".join(parts)


def _too_big(path: str, most: int) -> Response:
    sentence = f"A request has at most {most // KIB} KiB. Send less."
    if path.startswith("/api/v1/"):
        return problem(413, sentence)
    return PlainTextResponse(sentence, 413)


def replay(body: bytes, receive: Receive) -> Receive:
    """The body once, and then whatever comes: that the client hung up."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
