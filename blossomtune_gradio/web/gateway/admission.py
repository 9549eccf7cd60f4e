"""Who gets a place with the SuperLink: each registered key its own, all others a small share.

A place is a key's once it has signed the request; who has no such key is heard when his small
request is all here. So nobody without a key, and no other key, costs a site its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from starlette.types import Receive, Scope, Send

from blossomtune_gradio.flower.link.signatures import Signatures
from blossomtune_gradio.services.sites.announcements import Announcements
from blossomtune_gradio.services.sites.handover import Handover
from blossomtune_gradio.services.sites.traffic import Traffic
from blossomtune_gradio.web.bodies import HungUp, TooBig, replay, whole
from blossomtune_gradio.web.forwarded import VIA_PROXY
from blossomtune_gradio.web.gateway.exchange import Exchange, too_big
from blossomtune_gradio.web.gateway.request import (
    Once,
    client_address,
    content_length,
    is_fleet_request,
    key_of,
    refuse,
)
from blossomtune_gradio.web.limits import (
    FLEET_BODY,
    KEY,
    KIB,
    STRANGER,
    STRANGER_BODY,
    STRANGER_SECONDS,
    STRANGERS,
    WEIGHT,
    Share,
)
from blossomtune_gradio.web.pace import Pace, network
from blossomtune_gradio.web.protocol import PLACE

_UNSIGNED = (
    f"A request that is not signed with the key of a registered site has at most "
    f"{STRANGER_BODY // KIB} KiB."
)


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
        self._upstream, self._max_body = upstream, max_body
        self._registered, self._signatures = registered, Signatures()
        self._keys, self.strangers = Pace(key_share), Pace(stranger_share)
        self._strangers = 0  # requests of theirs that are with the SuperLink
        self._exchange = Exchange(
            ca_cert,
            self._signatures,
            max_body=max_body,
            timeout=timeout,
            traffic=traffic,
            handover=handover,
            announcements=announcements or Announcements(),
            on_forgery=on_forgery,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; everything but a plain Fleet request gets an empty 404."""
        if not is_fleet_request(scope):
            await refuse(scope, send, 404)
            return
        key = self._signer(scope)
        if not key:
            await self._answer_stranger(scope, receive, send)
            return
        length = content_length(scope)
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
        self._exchange.close()

    def _signer(self, scope: Scope) -> str:
        """The registered key that has signed this request, or "".

        On a connection that is encrypted up to here, one good signature is enough for the places
        of the next requests; the SuperLink checks each.
        """
        key = key_of(scope)
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
        client = network(client_address(scope))
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
        length = content_length(scope)
        if length is not None and length > self._max_body:
            await refuse(scope, send, 413, too_big(self._max_body))
            return
        origin = self._upstream()
        if origin is None:
            await refuse(scope, send, 503, "The SuperLink is stopped.", retry_after=5)
            return
        await self._exchange.run(origin, scope, receive, Once(send))
