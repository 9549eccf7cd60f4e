"""Which addresses a webhook may have: a guard against reaching into the server's own network.

A name is resolved when the message is sent, every address it has must be allowed, and the one that
was checked is the one that is called: a name that changes in between leads nowhere else. Surprise:
an operator can allow single private networks (setting `webhook_networks`), loopback included.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from blossomtune_gradio.errors import InvalidInput

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_LONGEST = 2000


@dataclass(frozen=True)
class Target:
    """What is really called: an address instead of a name, and the name beside it."""

    url: str
    host_header: str
    server_name: str  # for TLS


class AddressGuard:
    """Says whether a URL may be called, and where."""

    def __init__(self, allowed: str = "") -> None:
        """`allowed` are private networks that may be reached all the same, by commas."""
        parts = filter(None, (part.strip() for part in allowed.split(",")))
        self._allowed = [ipaddress.ip_network(part, strict=False) for part in parts]

    def check(self, url: str) -> None:
        """Raise `InvalidInput` unless this is an http(s) URL whose host may be reached.

        A name that cannot be resolved at this moment is fine; it is asked again for each message.
        """
        host, _, _ = _parts(url)
        try:
            self._address(host)
        except OSError:
            return

    def target(self, url: str) -> Target:
        """Where to send. Raises `InvalidInput`, or OSError when the name cannot be resolved."""
        host, port, authority = _parts(url)
        address = self._address(host)
        shown = f"[{address}]" if address.version == 6 else str(address)
        parts = urlsplit(url)
        netloc = f"{shown}:{port}" if port else shown
        return Target(parts._replace(netloc=netloc, fragment="").geturl(), authority, host)

    def _address(self, host: str) -> Address:
        found = [
            ipaddress.ip_address(str(entry[4][0]).partition("%")[0])
            for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        ]
        for address in found:
            if not self._may_be_reached(address):
                raise InvalidInput(
                    f"{host} is {address}, which belongs to a private network. Choose a public "
                    "address, or let the operator allow it with BLOSSOMTUNE_WEBHOOK_NETWORKS."
                )
        return found[0]

    def _may_be_reached(self, address: Address) -> bool:
        plain: Address = address
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            plain = address.ipv4_mapped
        if any(plain in network for network in self._allowed if network.version == plain.version):
            return True
        return plain.is_global and not plain.is_multicast


def _parts(url: str) -> tuple[str, int | None, str]:
    """Host, port and authority (for the Host header)."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    good = len(url) <= _LONGEST and url.isprintable() and " " not in url
    if not good or not host or parts.scheme not in ("http", "https"):
        raise InvalidInput("A webhook's address looks like https://example.org/hook; correct it.")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("A webhook's address must not carry a password; each message is signed.")
    shown = f"[{host}]" if ":" in host else host
    return host, port, f"{shown}:{port}" if port else shown
