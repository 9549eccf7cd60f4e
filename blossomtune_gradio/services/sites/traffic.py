"""What each site has sent and got, counted where its requests pass.

The gateway adds, the watch over the sites takes and writes to the database once in a while. Only
requests that the SuperLink has answered well are counted: it has checked their signature, so nobody
can count for another. Surprise: `add` runs between two packets of a model, so it does next to
nothing; what costs time happens in `take`.
"""

from __future__ import annotations

import base64
import binascii
import threading
from dataclasses import dataclass

_MAX_KEYS = 100_000


@dataclass
class Count:
    """What one key did since the last look."""

    received: int = 0  # bytes, from the site
    sent: int = 0  # bytes, to the site
    requests: int = 0
    rounds: int = 0


class Traffic:
    """Counters by public key. Everything may be called from any thread."""

    def __init__(self) -> None:
        self._counts: dict[bytes, Count] = {}
        self._lock = threading.Lock()

    def add(self, key: bytes, received: int, sent: int, rounds: int = 0) -> None:
        """Count one exchange; `key` is as it stands in the header, `rounds` were taken part in."""
        with self._lock:
            count = self._counts.get(key)
            if count is None:
                if len(self._counts) >= _MAX_KEYS:
                    return
                count = self._counts[key] = Count()
            count.received += received
            count.sent += sent
            count.requests += 1
            count.rounds += rounds

    def take(self) -> dict[str, Count]:
        """All that was counted since the last call, by PEM public key."""
        with self._lock:
            taken, self._counts = self._counts, {}
        found: dict[str, Count] = {}
        for key, count in taken.items():
            try:
                found[base64.b64decode(key, validate=True).decode()] = count
            except (binascii.Error, UnicodeDecodeError):
                continue  # the SuperLink took a key that we cannot read: nobody of ours
        return found
