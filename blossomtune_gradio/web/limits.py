"""Every limit of the two listeners, in one place: connections, heads, bodies, time and pace.

Numbers only; who keeps them is named beside them. docs/limits.md tells an operator what each is for
(a test holds the two together). Surprise: most are far above what an honest browser or site does,
and none of them counts sites behind one address together once they have shown their key.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, kw_only=True)
class Door:
    """What one listener grants a connection. Kept by `places`, `protocol` and `listener`."""

    connections: int = 2048
    """At most, whatever they do. Scaled down where the system allows fewer open files."""

    half_open: int = 1024
    """Of them those of strangers that have no whole request: waiting, sending or idle."""

    per_owner: int = 64
    """Connections of one key or one signed-in session that are kept in preference to others."""

    backlog: int = 1024
    """Connections that the system may hold until they are accepted."""

    handshake_seconds: float = 10.0
    """For the TLS handshake."""

    head_seconds: float = 15.0
    """For a whole request head, from the connection or from its first byte."""

    head_bytes: int = 32 * KIB
    """Request line and headers together."""

    headers: int = 100
    """Number of headers."""

    pipelined: int = 8
    """Requests sent ahead of their answers on one connection."""

    body_seconds: float = 20.0
    """For a body, and then a second more for each `body_rate` bytes that have come."""

    body_rate: int = 8 * KIB
    """Bytes per second a body must have, beyond `body_seconds`."""

    held_bytes: int = 32 * MIB
    """Bodies of strangers' unanswered requests, all together."""

    drain_seconds: float = 10.0
    """For the rest of a body that was refused; it is read and dropped, so the answer arrives."""

    answer_seconds: float = 60.0
    """In which the other side must take something of an answer that waits for it."""

    idle_seconds: int = 5
    """Between two requests on one connection. A browser or SuperNode opens another."""


PAGE = Door()
"""The page's port."""

FLEET = Door(
    connections=4096,
    half_open=512,  # each costs 70 kB as soon as it has begun to speak TLS
    per_owner=32,
    body_seconds=60.0,
    body_rate=4 * KIB,
    held_bytes=16 * MIB,
)
"""The port for sites: 64 MiB over a slow line take their time."""


FLEET_BODY = 64 * MIB
"""Bytes of one request of a SuperNode whose key is registered. Flower cuts a model to 5 MB."""

MAX_REPLY = 4 * MIB
"""Bytes that announce a reply: 70 for each 5 MB of its weights."""

STRANGER_BODY = 64 * KIB
"""Bytes of one Fleet request without a good signature of a registered key. It gets a 401 anyway."""

STRANGER_SECONDS = 10.0
"""For the body of such a request."""

STRANGERS = 64
"""Such requests that may be with the SuperLink at the same time."""

WEIGHT = 10 * MIB
"""A Fleet request takes one place, and one more for each `WEIGHT` bytes it announces."""

REST_BODY = 64 * KIB
_OTHER_BODY = 16 * KIB
BODIES = {
    "/api/v1/join": 64 * KIB,
    "/api/v1/join/report": 256 * KIB,
    "/gradio_api/queue/join": 256 * KIB,
    "/gradio_api/component_server": 256 * KIB,
}
"""Bytes of a body by path, for all but the Fleet API. Kept by `bodies`."""


def body_limit(path: str) -> int:
    """Bytes a request to `path` may have."""
    if (most := BODIES.get(path.rstrip("/"))) is not None:
        return most
    return REST_BODY if path.startswith("/api/v1/") else _OTHER_BODY


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one client may ask for. Kept by `pace` and `turns`."""

    rate: float
    """Requests per second on average."""

    burst: float
    """Requests at once after a rest."""

    parallel: int
    """Under way at the same time."""

    waiting: int = 0
    """More that may wait for their turn."""


KEY = Share(rate=100, burst=400, parallel=16)
"""One registered key. A SuperNode asks every three seconds, and twice in parallel at most."""

STRANGER = Share(rate=20, burst=100, parallel=8)
"""One address on the Fleet API without a key, and on the join requests."""

PERSON = Share(rate=150, burst=1500, parallel=16, waiting=200)
"""One signed-in session on the page, or one address where nobody is signed in."""

STREAMS = Share(rate=20, burst=400, parallel=100)
"""Streamed answers of the page to one such person or address."""

CLIENTS = 20_000
"""Clients each pace remembers; the one that was quiet longest is forgotten first."""

SESSIONS = 500
"""States of open pages that are kept; the one not used longest goes. A page that lost its state
starts with a fresh one and shows the same."""

QUEUED = 200
"""Clicks that may wait for the page's workers, of all people together."""
