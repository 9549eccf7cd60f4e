"""What a proxy says of the client: believed from a trusted one, taken away from everybody else.

Behind this door there is one truth: the address in the scope, its scheme, and the Host header. No
`X-…` or `Forwarded` header gets further, known today or not, so nothing inside can be misled by
one. Surprise: that a proxy was there is remembered, because a request that came through one was not
made on this machine, whatever address it arrives from.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from blossomtune_gradio.web.heads import is_host

VIA_PROXY = "blossomtune.via_proxy"
"""Key in the ASGI scope: whether somebody said that the request came through a proxy."""

_PREFIX = b"x-"
_OTHERS = frozenset((b"forwarded", b"via", b"client-ip", b"true-client-ip", b"cf-connecting-ip"))
_NO_PROXY = (b"x-gradio-", b"x-requested-with", b"x-csrf")  # what pages and scripts send themselves
_SCHEMES = (b"http", b"https")


class Trusted:
    """Addresses and networks, and whether one is among them."""

    def __init__(self, names: Iterable[str]) -> None:
        """`*` trusts everybody; what is no address is never met."""
        named = [name.strip() for name in names]
        self._all = "*" in named
        self._networks = [found for name in named if (found := _network(name)) is not None]

    def __contains__(self, address: object) -> bool:
        if self._all:
            return True
        try:
            ip = ipaddress.ip_address(str(address))
        except ValueError:
            return False
        if ip.version == 6 and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self._networks)


class Forwarded:
    """Puts what a trusted proxy says where it belongs, and drops all such headers."""

    def __init__(self, app: ASGIApp, trusted: Trusted) -> None:
        self._app, self._trusted = app, trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = self._believed(scope)
        await self._app(scope, receive, send)

    def _believed(self, scope: Scope) -> Scope:
        said = [(name, value) for name, value in scope["headers"] if is_told(name)]
        if not said:
            return {**scope, VIA_PROXY: False}
        scope = {**scope, "headers": [h for h in scope["headers"] if not is_told(h[0])]}
        scope[VIA_PROXY] = any(not name.startswith(_NO_PROXY) for name, _ in said)
        client = scope.get("client")
        if client is not None and client[0] in self._trusted:
            self._take(scope, said)
        return scope

    def _take(self, scope: Scope, said: list[tuple[bytes, bytes]]) -> None:
        scheme = _first(said, b"x-forwarded-proto").lower()
        if scheme in _SCHEMES:
            scope["scheme"] = scheme.decode()
        if is_host(host := _first(said, b"x-forwarded-host")):
            others = [h for h in scope["headers"] if h[0] != b"host"]
            scope["headers"] = [(b"host", host), *others]
        chain = b",".join(value for name, value in said if name == b"x-forwarded-for")
        if address := self._client(chain.decode("latin-1")):
            scope["client"] = (address, 0)

    def _client(self, chain: str) -> str:
        """The last address that is no proxy of ours; each proxy appends the one before it."""
        found = [address for part in chain.split(",") if (address := _address(part.strip()))]
        strangers = [address for address in found if address not in self._trusted]
        return strangers[-1] if strangers else (found or [""])[0]


def is_told(name: bytes) -> bool:
    """Whether a header is one by which a proxy tells something, or somebody who plays one."""
    return name.startswith(_PREFIX) or name in _OTHERS


def _first(said: list[tuple[bytes, bytes]], wanted: bytes) -> bytes:
    """The first value: some proxies put a list there, the browser's own first."""
    values = [value for name, value in said if name == wanted]
    return values[0].split(b",")[0].strip() if values else b""


def _address(text: str) -> str:
    """An address without its port, or "" if it is none."""
    if text.startswith("["):
        text = text[1:].split("]")[0]
    elif text.count(":") == 1:
        text = text.split(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _network(name: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(name, strict=False)
    except ValueError:
        return None
