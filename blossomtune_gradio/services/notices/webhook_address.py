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
# What an IPv6 address can lead to besides itself: an IPv4 address behind a translator or a tunnel.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # NAT64: the last 32 bits
_TUNNELS = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        *("::/96", "::ffff:0:0:0/96"),  # IPv4 in old and in translated form
        *("64:ff9b:1::/48", "2002::/16", "2001::/32"),  # NAT64 of a site, 6to4, Teredo
        *("fec0::/10", "100::/64"),  # once for sites; leads nowhere
    )
)
_ISATAP = (0x00005EFE, 0x02005EFE)  # the third quarter of such an address


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
        if isinstance(address, ipaddress.IPv6Address):
            if address.ipv4_mapped:
                plain = address.ipv4_mapped
            elif address in _TRANSLATED:
                plain = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if any(plain in network for network in self._allowed if network.version == plain.version):
            return True
        return plain.is_global and not plain.is_multicast and not _is_tunnel(plain)


def _is_tunnel(address: Address) -> bool:
    """Whether this IPv6 address carries an IPv4 address, which may be of a private network."""
    if isinstance(address, ipaddress.IPv4Address):
        return False
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return True
    return any(address in network for network in _TUNNELS)


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
