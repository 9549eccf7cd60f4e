"""Whose turn it is on the page: what one client asks for never makes the others wait long.

A client is a signed-in session, or a network of strangers. A few of its requests are worked on at
the same time, more wait, and what is beyond gets a 429 with a sentence. Streamed answers, which
last, are counted apart. Surprise: people behind one address who have not signed in share a turn;
signing in gives everybody their own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from blossomtune_gradio.web.limits import PERSON, STREAMS, Share
from blossomtune_gradio.web.pace import Pace, network
from blossomtune_gradio.web.problems import problem
from blossomtune_gradio.web.protocol import PLACE

_STREAMS = ("/gradio_api/queue/data", "/gradio_api/heartbeat/")
_SLOWER = "Too many requests from here at once. Wait a moment, then try again."


@dataclass
class _Line:
    """Requests of one client."""

    busy: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Turns:
    """Lets each client's requests in as its share allows."""

    def __init__(
        self,
        app: ASGIApp,
        session_of: Callable[[Request], str],
        share: Share = PERSON,
        streams: Share = STREAMS,
    ) -> None:
        """`session_of` tells the session a request proves, or ""."""
        self._app, self._session_of, self._share = app, session_of, share
        self._rate = Pace(Share(rate=share.rate, burst=share.burst, parallel=10**9))
        self._streams = Pace(streams)
        self._lines: dict[str, _Line] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = self._client(scope)
        if scope["path"].startswith(_STREAMS):
            await self._stream(client, scope, receive, send)
        elif not self._rate.enter(client) or not await self._turn(client):
            await _slower(scope, receive, send)
        else:
            try:
                await self._app(scope, receive, send)
            finally:
                self._next(client)

    def _client(self, scope: Scope) -> str:
        if session := self._session_of(Request(scope)):
            if place := scope.get(PLACE):
                place.prove(session)
            return f"session {session}"
        client = scope.get("client")
        return network(client[0]) if client else ""

    async def _stream(self, client: str, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._streams.enter(client):
            await _slower(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._streams.leave(client)

    async def _turn(self, client: str) -> bool:
        """Wait until the client may have one more request worked on; False: the line is full."""
        line = self._lines.setdefault(client, _Line())
        if line.busy < self._share.parallel:
            line.busy += 1
            return True
        if len(line.waiting) >= self._share.waiting:
            return False
        turn = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        try:
            await turn  # whoever leaves hands the turn on
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next(client)
            raise
        return True

    def _next(self, client: str) -> None:
        line = self._lines[client]
        while line.waiting:
            turn = line.waiting.popleft()
            if not turn.done():  # else it was cancelled
                turn.set_result(None)
                return
        line.busy -= 1
        if not line.busy:
            del self._lines[client]


async def _slower(scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"retry-after": "1"}
    if scope["path"].startswith("/api/v1/"):
        await problem(429, _SLOWER, headers)(scope, receive, send)
    else:
        await PlainTextResponse(_SLOWER, 429, headers)(scope, receive, send)
