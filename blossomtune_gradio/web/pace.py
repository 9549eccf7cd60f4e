"""How often one address may call: a token bucket per client, in bounded memory.

Limits: counts in this process only, forgets on restart; the address is what the server puts in
the ASGI scope (behind a proxy the server must be told to trust it). Surprise: a whole IPv6 /64
counts as one client, because whoever has one address of it has them all.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class _Bucket:
    tokens: float
    filled_at: float
    busy: int = 0


class Pace:
    """`rate` requests per second and client on average, `burst` at once, `parallel` under way.

    A SuperNode asks every three seconds and sends one request per 5 MB of model, so the defaults
    leave room for a hundred sites behind one hospital address. At most `clients` are remembered.
    """

    def __init__(
        self,
        rate: float = 200,
        burst: float = 400,
        parallel: int = 128,
        clients: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate, self._burst, self._parallel, self._clients = rate, burst, parallel, clients
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def enter(self, address: str) -> bool:
        """Count one request; False if it comes too soon. If True, `leave` must follow."""
        bucket, now = self._bucket(_network(address)), self._clock()
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled_at) * self._rate)
        bucket.filled_at = now
        if bucket.tokens < 1 or bucket.busy >= self._parallel:
            return False
        bucket.tokens -= 1
        bucket.busy += 1
        return True

    def leave(self, address: str) -> None:
        """The request that `enter` let in is over."""
        if bucket := self._buckets.get(_network(address)):
            bucket.busy = max(0, bucket.busy - 1)

    def __len__(self) -> int:
        return len(self._buckets)

    def _bucket(self, client: str) -> _Bucket:
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = _Bucket(self._burst, self._clock())
        self._buckets.move_to_end(client)
        if len(self._buckets) > self._clients:  # the one that was quiet longest has a full bucket
            self._buckets.popitem(last=False)
        return bucket


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))
