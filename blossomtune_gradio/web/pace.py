"""How often one client may call: a token bucket per client, in bounded memory.

A client is a key, a session, or the network of an address (`network`). Limits: counts in this
process only, forgets on restart; the address is what the server puts in the ASGI scope (behind a
proxy the server must be told to trust it).
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from blossomtune_gradio.web.limits import CLIENTS, Share


@dataclass
class _Bucket:
    tokens: float
    filled_at: float
    busy: int = 0


class Pace:
    """Each client has a `share`: requests per second on average, at once, and under way.

    At most `clients` are remembered; one with a request under way is not forgotten.
    """

    def __init__(
        self,
        share: Share,
        *,
        clients: int = CLIENTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._share, self._clients, self._clock = share, clients, clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def enter(self, client: str, weight: int = 1) -> bool:
        """Count one request that takes `weight` places; False if it comes too soon.

        If True, `leave` with the same weight must follow.
        """
        bucket, now = self._bucket(client), self._clock()
        filled = bucket.tokens + (now - bucket.filled_at) * self._share.rate
        bucket.tokens, bucket.filled_at = min(self._share.burst, filled), now
        if bucket.tokens < 1 or bucket.busy + weight > self._share.parallel:
            return False
        bucket.tokens -= 1
        bucket.busy += weight
        return True

    def leave(self, client: str, weight: int = 1) -> None:
        """The request that `enter` let in is over."""
        if bucket := self._buckets.get(client):
            bucket.busy = max(0, bucket.busy - weight)

    def __len__(self) -> int:
        return len(self._buckets)

    def _bucket(self, client: str) -> _Bucket:
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = _Bucket(self._share.burst, self._clock())
        self._buckets.move_to_end(client)
        if len(self._buckets) > self._clients:  # the one that was quiet longest has a full bucket
            oldest = next((c for c, b in self._buckets.items() if not b.busy), None)
            if oldest is not None:
                del self._buckets[oldest]
        return bucket


def network(address: str) -> str:
    """What counts as one client: an IPv4 address, or a whole IPv6 /64.

    Whoever has one address of a /64 has them all. An IPv4 address that a socket for both kinds
    writes as IPv6 is still that IPv4 address.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 6 and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))
