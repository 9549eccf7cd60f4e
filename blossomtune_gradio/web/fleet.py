"""The gateway: the one way in for SuperNodes, and the only thing of Flower that is public.

Of all paths of the SuperLink only `POST /v1/fleet/*` passes, streamed both ways. Who may talk is
decided behind us: the SuperLink checks each request's signature. We check form, size and pace, and
the signature too: a request that a registered key has signed takes a place of that key, and what
all the others share is small. So nobody without a key, and no other key, costs a site its place. A
reply must come from the site that it names.
Surprise: we never answer 401, 403 or 429. A SuperNode takes 401 for "revoked" and ends itself,
403 for "the run is over", and gives up on 429; 502, 503 and 504 it retries with back-off.
Two answers of the SuperLink are changed: its 403 on `TAKING_WORK` becomes 410, and its 500 on
`ASKING` becomes 503.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from blossomtune_gradio.errors import FlowerUnreachable
from blossomtune_gradio.flower.replies import (
    ACTIVATE_PATH,
    HEARTBEAT_PATH,
    KEY_HEADER,
    PULL_PATH,
    PUSH_PATH,
    Forged,
    Reply,
    awaited,
)
from blossomtune_gradio.flower.signatures import Signatures
from blossomtune_gradio.services.sites.announcements import Announcements
from blossomtune_gradio.services.sites.handover import Handover
from blossomtune_gradio.services.sites.traffic import Traffic
from blossomtune_gradio.web.bodies import HungUp, TooBig, replay, whole
from blossomtune_gradio.web.forwarded import VIA_PROXY, is_told
from blossomtune_gradio.web.limits import (
    FLEET_BODY,
    KEY,
    KIB,
    MAX_REPLY,
    MIB,
    STRANGER,
    STRANGER_BODY,
    STRANGER_SECONDS,
    STRANGERS,
    WEIGHT,
    Share,
    body_limit,
)
from blossomtune_gradio.web.pace import Pace, network
from blossomtune_gradio.web.protocol import PLACE
from blossomtune_gradio.web.upstream import Connection, Headers, Pool

JOIN_PATH = "/api/v1/join"
REPORT_PATH = f"{JOIN_PATH}/report"
TAKING_WORK = (b"/v1/fleet/pull-object", b"/v1/fleet/confirm-message-received")
"""Where a SuperNode takes a message in. On 403 ("the run is over") flwr 1.41 drops the message but
not its task: the reply that nobody asked for any more takes the place of the next run's, which then
waits for ever. On any other refusal it clears up."""
ASKING = (ACTIVATE_PATH.encode(), PULL_PATH.encode(), HEARTBEAT_PATH.encode())
"""What a SuperNode may ask again at any time. One 500 would end it, or its heartbeats for good."""
# Flower's paths are one plain word. Anything else (dots, escapes, doubled slashes) is a trick.
_FLEET_PATH = re.compile(rb"/v1/fleet(/[A-Za-z0-9_-]+)+")
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer"
    b" transfer-encoding upgrade expect host".split()
)
_ADDED_BY_OUR_SERVER = frozenset((b"date", b"server"))
_UNSIGNED = (
    f"A request that is not signed with the key of a registered site has at most "
    f"{STRANGER_BODY // KIB} KiB."
)
_KEY_HEADER, _PUSH_PATH = KEY_HEADER.encode(), PUSH_PATH.encode()


class FleetGateway:
    """ASGI app that forwards Fleet requests to the SuperLink.

    `upstream` tells where the SuperLink is ("https://127.0.0.1:PORT") or None while it is
    stopped; it is asked for each request. `max_body` in bytes per request; `timeout` in seconds
    that either side may be silent within an exchange. `registered` tells whether a public key, as
    it stands in its header, is one of a site (None: any is). `traffic` counts what each site
    sends, `handover` sees to it that no work gets lost on the way. `announcements` looks at replies
    before they pass; `on_forgery` hears of one that no SuperNode would send: who signed it, and a
    clause.
    """

    def __init__(
        self,
        upstream: Callable[[], str | None],
        ca_cert: Path,
        *,
        max_body: int = FLEET_BODY,
        timeout: float = 60,
        registered: Callable[[bytes], bool] | None = None,
        key_share: Share = KEY,
        stranger_share: Share = STRANGER,
        traffic: Traffic | None = None,
        handover: Handover | None = None,
        announcements: Announcements | None = None,
        on_forgery: Callable[[bytes, str], None] | None = None,
    ) -> None:
        self._upstream = upstream
        self._pool = Pool(ca_cert)
        self._max_body = max_body
        self._timeout = timeout
        self._registered, self._signatures = registered, Signatures()
        self._keys, self.strangers = Pace(key_share), Pace(stranger_share)
        self._strangers = 0  # requests of theirs that are with the SuperLink
        self._traffic, self._handover = traffic, handover
        self._announcements = announcements or Announcements()
        self._on_forgery = on_forgery

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; everything but a plain Fleet request gets an empty 404."""
        if not _is_fleet_request(scope):
            await refuse(scope, send, 404)
            return
        key = self._signer(scope)
        if not key:
            await self._answer_stranger(scope, receive, send)
            return
        length = _content_length(scope)
        weight = 1 + min(self._max_body if length is None else length, self._max_body) // WEIGHT
        if not self._keys.enter(key, weight):
            await refuse(scope, send, 503, "Too many requests of this site.", retry_after=1)
            return
        try:
            await self._answer(scope, receive, send)
        finally:
            self._keys.leave(key, weight)

    async def aclose(self) -> None:
        """Hang up the idle connections. Call it when the server has stopped."""
        self._pool.close()

    def _signer(self, scope: Scope) -> str:
        """The registered key that has signed this request, or "".

        On a connection that is encrypted up to here, one good signature is enough for the places
        of the next requests; the SuperLink checks each.
        """
        key = _key(scope)
        if not key or not (self._registered is None or self._registered(key)):
            return ""
        name, place = key.decode("latin-1"), scope.get(PLACE)
        ours = scope["scheme"] == "https" and not scope.get(VIA_PROXY)
        if ours and place is not None and place.owner == name:
            return name
        if self._signatures.signer(scope["headers"]) != key:
            return ""
        if place is not None:
            place.prove(name)
        return name

    async def _answer_stranger(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Nobody we know: what the SuperLink says of him, for a small request that is all here."""
        try:
            async with asyncio.timeout(STRANGER_SECONDS):
                body = await whole(scope, receive, STRANGER_BODY)
        except TooBig:
            await refuse(scope, send, 413, _UNSIGNED)
            return
        except TimeoutError:
            await refuse(scope, send, 503, "The request came too slowly.", retry_after=5)
            return
        except HungUp:
            return
        client = network(_client_address(scope))
        if self._strangers >= STRANGERS or not self.strangers.enter(client):
            await refuse(scope, send, 503, "Too many requests from this address.", retry_after=1)
            return
        self._strangers += 1
        try:
            await self._answer(scope, replay(body, receive), send)
        finally:
            self._strangers -= 1
            self.strangers.leave(client)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = _content_length(scope)
        if length is not None and length > self._max_body:
            await refuse(scope, send, 413, self._too_big())
            return
        origin = self._upstream()
        if origin is None:
            await refuse(scope, send, 503, "The SuperLink is stopped.", retry_after=5)
            return
        await self._forward(origin, scope, receive, _Once(send))

    async def _forward(self, origin: str, scope: Scope, receive: Receive, send: _Once) -> None:
        path, key = _raw_path(scope), _key(scope)
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
            received = await self._send_body(connection, receive, _content_length(scope) is None)
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

    async def _refuse_forgery(self, scope: Scope, send: _Once, what: str) -> None:
        """No honest SuperNode meets this. Whoever did not sign it is blamed for nothing."""
        key = _key(scope)
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
        self, connection: Connection, send: _Once, path: bytes
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

    async def _trouble(self, send: _Once, scope: Scope, status: int, sentence: str) -> None:
        if send.started:  # half an answer must not look like a whole one
            raise ConnectionAbortedError(sentence)
        await refuse(scope, send.raw, status, sentence, retry_after=None if status == 413 else 5)

    def _too_big(self) -> str:
        return f"A request may have at most {self._max_body // MIB} MiB."


class _Once:
    """`send`, remembering whether the answer was begun."""

    def __init__(self, raw: Send) -> None:
        self.raw, self.started = raw, False

    async def start(self, status: int, headers: Headers) -> None:
        self.started = True
        await self.raw({"type": "http.response.start", "status": status, "headers": headers})

    async def body(self, data: bytes, *, more: bool) -> None:
        await self.raw({"type": "http.response.body", "body": data, "more_body": more})


def fleet_app(gateway: FleetGateway, join: ASGIApp) -> ASGIApp:
    """The app of the TLS listener for sites: the gateway, `POST /api/v1/join` and its `/report`.

    `join` is any ASGI app that answers these two (a Starlette route, or a whole FastAPI app, of
    which just these paths can be reached). `limits` says how big a body may be.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(gateway, receive, send)
        elif _is_fleet_request(scope):
            await gateway(scope, receive, send)
        elif _is_join_request(scope):
            await _join(gateway.strangers, join, scope, receive, send)
        else:
            await refuse(scope, send, 404)

    return app


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


async def _join(pace: Pace, join: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    most = body_limit(scope["path"])
    try:
        body = await whole(scope, receive, most)  # a place is taken once all of it is here
    except TooBig:
        await refuse(scope, send, 413, f"This request may have at most {most // KIB} KiB.")
        return
    except HungUp:
        return
    client = network(_client_address(scope))
    if not pace.enter(client):
        await refuse(scope, send, 503, "Too many requests from this address.", retry_after=1)
        return
    try:
        await join(scope, replay(body, receive), send)
    finally:
        pace.leave(client)


async def _lifespan(gateway: FleetGateway, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await gateway.aclose()
    await send({"type": "lifespan.shutdown.complete"})


def _is_fleet_request(scope: Scope) -> bool:
    return _is_plain_post(scope) and _FLEET_PATH.fullmatch(_raw_path(scope)) is not None


def _is_join_request(scope: Scope) -> bool:
    return _is_plain_post(scope) and _raw_path(scope).decode("latin-1") in (JOIN_PATH, REPORT_PATH)


def _is_plain_post(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] == "POST" and not scope["query_string"]


def _raw_path(scope: Scope) -> bytes:
    """The path as it was sent; `scope["path"]` has its escapes decoded already."""
    raw: bytes | None = scope.get("raw_path")
    return raw if raw is not None else scope["path"].encode()


def _client_address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _key(scope: Scope) -> bytes:
    """The public key of the one who says that he signed this."""
    return next((value for name, value in scope["headers"] if name == _KEY_HEADER), b"")


def _content_length(scope: Scope) -> int | None:
    """Bytes the client announced; None when the body is chunked (that wins, says RFC 9112)."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers or b"content-length" not in headers:
        return None
    return int(headers[b"content-length"])  # digits only: uvicorn's parser refuses the rest


def _request_head(scope: Scope, origin: str) -> bytes:
    lines = [b"POST %s HTTP/1.1" % _raw_path(scope), b"host: " + urlsplit(origin).netloc.encode()]
    chunked = _content_length(scope) is None
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
