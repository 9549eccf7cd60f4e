"""One request of a site and its answer, streamed both ways between the site and the SuperLink.

A reply is looked at before it passes, an exchange that went well is told to those who count. Two
answers of the SuperLink are changed: its 403 on `TAKING_WORK` becomes 410, and its 500 on `ASKING`
becomes 503. Surprise: half an answer cannot be taken back, so there the connection is cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope

from blossomtune_gradio.errors import FlowerUnreachable
from blossomtune_gradio.flower.link.replies import (
    ACTIVATE_PATH,
    HEARTBEAT_PATH,
    PULL_PATH,
    PUSH_PATH,
    Forged,
    Reply,
    awaited,
)
from blossomtune_gradio.flower.link.signatures import Signatures
from blossomtune_gradio.services.sites.announcements import Announcements
from blossomtune_gradio.services.sites.handover import Handover
from blossomtune_gradio.services.sites.traffic import Traffic
from blossomtune_gradio.web.bodies import TooBig, replay
from blossomtune_gradio.web.forwarded import is_told
from blossomtune_gradio.web.gateway.request import Once, content_length, key_of, raw_path, refuse
from blossomtune_gradio.web.limits import MAX_REPLY, MIB
from blossomtune_gradio.web.upstream import Connection, Pool

TAKING_WORK = (b"/v1/fleet/pull-object", b"/v1/fleet/confirm-message-received")
"""Where a SuperNode takes a message in. On 403 ("the run is over") flwr 1.42 drops the message but
not its task: the reply that nobody asked for any more takes the place of the next run's, which then
waits for ever. On any other refusal it clears up."""
ASKING = (ACTIVATE_PATH.encode(), PULL_PATH.encode(), HEARTBEAT_PATH.encode())
"""What a SuperNode may ask again at any time. One 500 would end it, or its heartbeats for good."""
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer"
    b" transfer-encoding upgrade expect host".split()
)
_ADDED_BY_OUR_SERVER = frozenset((b"date", b"server"))
_PUSH_PATH = PUSH_PATH.encode()


class Exchange:
    """Carries requests to the SuperLink; the words are those of `FleetGateway`."""

    def __init__(
        self,
        ca_cert: Path,
        signatures: Signatures,
        *,
        max_body: int,
        timeout: float,
        traffic: Traffic | None,
        handover: Handover | None,
        announcements: Announcements,
        on_forgery: Callable[[bytes, str], None] | None,
    ) -> None:
        self._pool, self._signatures = Pool(ca_cert), signatures
        self._max_body, self._timeout = max_body, timeout
        self._traffic, self._handover = traffic, handover
        self._announcements, self._on_forgery = announcements, on_forgery

    def close(self) -> None:
        """Hang up the idle connections."""
        self._pool.close()

    async def run(self, origin: str, scope: Scope, receive: Receive, send: Once) -> None:
        """Send the request on, and its answer back."""
        path, key = raw_path(scope), key_of(scope)
        connection: Connection | None = None
        reply, kind = None, ""
        if self._handover is not None:
            self._handover.begin(path, key)
        try:
            if path == _PUSH_PATH:
                body = await self._whole(receive)
                reply, kind = await run_in_threadpool(self._announcements.examine, body)
                receive = replay(body, receive)
            connection = await self._pool.take(origin)
            connection.begin(_request_head(scope, origin))
            received = await self._send_body(connection, receive, content_length(scope) is None)
            status, sent, answer = await self._send_answer(connection, send, path)
            if status < 300:
                await self._account(path, key, received, sent, reply, kind, answer)
        except Forged as error:
            await self._refuse_forgery(scope, send, str(error))
        except TooBig:
            await self._trouble(send, scope, 413, self._too_big())
        except FlowerUnreachable as error:
            await self._trouble(send, scope, error.status, str(error))
        except TimeoutError:
            await self._trouble(send, scope, 504, "The other side was silent for too long.")
        finally:
            if connection is not None:
                self._pool.give_back(origin, connection)

    async def _account(
        self,
        path: bytes,
        key: bytes,
        received: int,
        sent: int,
        reply: Reply | None,
        kind: str,
        answer: bytes,
    ) -> None:
        """Tell of an exchange that went well."""
        pieces, rounds = awaited(answer), 0
        root = "" if reply is None else reply.message_id
        if reply is not None and pieces:
            rounds = self._announcements.taken(reply, kind)
        if self._traffic is not None:
            self._traffic.add(key, received, sent, rounds)
        if self._handover is None:
            return
        doubt = self._handover.end(path, key, sent, root, pieces)
        if doubt is not None:
            await run_in_threadpool(self._handover.look, doubt)

    async def _refuse_forgery(self, scope: Scope, send: Once, what: str) -> None:
        """No honest SuperNode meets this. Whoever did not sign it is blamed for nothing."""
        key = key_of(scope)
        if (
            self._on_forgery is not None
            and key
            and self._signatures.signer(scope["headers"]) == key
        ):
            await run_in_threadpool(self._on_forgery, key, what)
        await refuse(scope, send.raw, 400, f"This reply is not passed on: {what}.")

    async def _whole(self, receive: Receive) -> bytes:
        """The body of a request that announces a reply: a few hundred bytes, mostly."""
        body, more = b"", True
        while more:
            async with asyncio.timeout(self._timeout):
                message = await receive()
            if message["type"] == "http.disconnect":
                raise FlowerUnreachable("The SuperNode hung up.")
            body, more = body + message.get("body", b""), message.get("more_body", False)
            if len(body) > MAX_REPLY:
                raise TooBig
        return body

    async def _send_body(self, connection: Connection, receive: Receive, chunked: bool) -> int:
        """Number of bytes."""
        sent, more = 0, True
        while more:
            async with asyncio.timeout(self._timeout):
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise FlowerUnreachable("The SuperNode hung up.")
                data, more = message.get("body", b""), message.get("more_body", False)
                sent += len(data)
                if sent > self._max_body:
                    raise TooBig
                if data and not await connection.write(_chunk(data) if chunked else data):
                    return sent
        if not chunked or await connection.write(b"0\r\n\r\n"):
            connection.sent_all()
        return sent

    async def _send_answer(
        self, connection: Connection, send: Once, path: bytes
    ) -> tuple[int, int, bytes]:
        """Status, the number of bytes of the body, and those that answer a reply."""
        async with asyncio.timeout(self._timeout):
            status, headers = await connection.head()
        if status == 403 and path in TAKING_WORK:
            status = 410
        elif status == 500 and path in ASKING:
            status, headers = 503, [*headers, (b"retry-after", b"5")]
        await send.start(status, [h for h in headers if _is_for_client(h[0])])
        sent, kept = 0, b""
        while True:
            async with asyncio.timeout(self._timeout):
                data = await connection.read()
                await send.body(data, more=bool(data))
            sent += len(data)
            if path == _PUSH_PATH and sent <= MAX_REPLY:
                kept += data
            if not data:
                return status, sent, kept

    async def _trouble(self, send: Once, scope: Scope, status: int, sentence: str) -> None:
        if send.started:  # half an answer must not look like a whole one
            raise ConnectionAbortedError(sentence)
        await refuse(scope, send.raw, status, sentence, retry_after=None if status == 413 else 5)

    def _too_big(self) -> str:
        return too_big(self._max_body)


def too_big(most: int) -> str:
    """What is said of a body with more bytes than `most`."""
    return f"A request may have at most {most // MIB} MiB."


def _request_head(scope: Scope, origin: str) -> bytes:
    lines = [b"POST %s HTTP/1.1" % raw_path(scope), b"host: " + urlsplit(origin).netloc.encode()]
    chunked = content_length(scope) is None
    for name, value in scope["headers"]:
        if name in _HOP_BY_HOP or is_told(name):
            continue  # the SuperLink trusts proxies on loopback, which is where we call from
        if not (chunked and name == b"content-length"):
            lines.append(name + b": " + value)
    if chunked:
        lines.append(b"transfer-encoding: chunked")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _is_for_client(name: bytes) -> bool:
    return name not in _HOP_BY_HOP and name not in _ADDED_BY_OUR_SERVER


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)
