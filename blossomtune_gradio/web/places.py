"""Who holds a connection of one listener, how far it has got, and who has to go when it is full.

A place is taken when a connection is accepted, before any TLS. Those of strangers that have not
sent a whole request are *half-open*: they are few, they have deadlines, and the oldest of the
network that holds most of them makes room for a newcomer. So whoever fills the house loses his own
places first, and one who has shown a key or a session (`prove`) loses none. Surprise: there are no
timers; `sweep`, called every second, looks at all of them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from enum import Enum

from blossomtune_gradio.web.limits import Door
from blossomtune_gradio.web.pace import network

_NEVER = float("inf")


def _nothing() -> None:
    """Until there is something to close."""


class Stage(Enum):
    """How far a connection has got."""

    HANDSHAKE = "handshake"
    HEAD = "head"  # nothing yet, or a part of a request head
    BODY = "body"
    ANSWER = "answer"  # the request is whole
    IDLE = "idle"
    CLOSING = "closing"  # has its last answer; what it still sends is dropped


class Place:
    """One connection. `late` is called when its time is up, `evict` to make room for another,
    `known` when whoever sends there is a stranger no more."""

    __slots__ = (
        "_places",
        "deadline",
        "evict",
        "held",
        "known",
        "late",
        "network",
        "owner",
        "since",
        "stage",
    )

    def __init__(self, places: Places, address: str, *, owner: str = "") -> None:
        self._places = places
        self.network = network(address)
        self.stage, self.since, self.deadline = Stage.HANDSHAKE, 0.0, _NEVER
        self.owner = owner  # who has shown who he is, or "" for a stranger
        self.held = 0  # bytes of the unanswered request's body
        self.late: Callable[[], object] = _nothing
        self.evict: Callable[[], object] = _nothing
        self.known: Callable[[], object] = _nothing

    def enter(self, stage: Stage, seconds: float = _NEVER) -> None:
        """Go on to a stage that may last `seconds`."""
        self._places.move(self, stage, seconds)

    def hold(self, size: int) -> None:
        """`size` more bytes of a body have come."""
        self._places.hold(self, size)

    def release(self) -> None:
        """The request is answered: its body is no longer held."""
        self._places.release(self)

    def prove(self, owner: str) -> None:
        """Whoever sends here has shown a key or a session that is known."""
        self._places.prove(self, owner)
        if self.owner == owner:
            self.known()


class Places:
    """All places of one listener. Used from its event loop only."""

    def __init__(self, limits: Door, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._all: dict[Place, None] = {}
        self._half: dict[str, dict[Place, None]] = {}  # by network, the oldest first
        self._halves = 0
        self._owners: Counter[str] = Counter()
        self._held = 0

    def __len__(self) -> int:
        return len(self._all)

    @property
    def half_open(self) -> int:
        """Number of strangers' connections without a whole request."""
        return self._halves

    def admit(self, address: str, *, owner: str = "") -> Place | None:
        """A place for a new connection, or None if nobody can be asked to leave."""
        place = Place(self, address, owner=owner)
        if self._halves >= self._limits.half_open and not owner and not self.make_room():
            return None
        if len(self._all) >= self._limits.connections and not self.make_room():
            return None
        self._all[place] = None
        self._owners[owner] += 1
        self.move(place, Stage.HANDSHAKE, self._limits.handshake_seconds)
        return place

    def make_room(self) -> bool:
        """Ask one stranger to leave: False if there is none."""
        victim = self._half_open_victim() or self._busy_victim()
        if victim is None:
            return False
        self.leave(victim)
        victim.evict()
        return True

    def leave(self, place: Place) -> None:
        """The connection is gone."""
        if place in self._all:
            self._out_of_half(place)
            self.release(place)
            self._forget(place.owner)
            del self._all[place]

    def move(self, place: Place, stage: Stage, seconds: float) -> None:
        """See `Place.enter`."""
        if place not in self._all:
            return
        self._out_of_half(place)
        place.stage, place.since = stage, self._clock()
        place.deadline = place.since + seconds
        if stage is not Stage.ANSWER and not place.owner:
            self._half.setdefault(place.network, {})[place] = None
            self._halves += 1

    def prove(self, place: Place, owner: str) -> None:
        """See `Place.prove`. More than `per_owner` places of one owner stay strangers'."""
        if place.owner == owner or place not in self._all:
            return
        if self._owners[owner] >= self._limits.per_owner:
            return
        self._out_of_half(place)
        self.release(place)
        self._forget(place.owner)
        place.owner = owner
        self._owners[owner] += 1

    def hold(self, place: Place, size: int) -> None:
        """See `Place.hold`; the biggest body of the network that holds most has to go."""
        if place.owner or place not in self._all:
            return
        place.held += size
        self._held += size
        while self._held > self._limits.held_bytes:
            held = [one for one in self._all if one.held]
            by_network: Counter[str] = Counter()
            for one in held:
                by_network[one.network] += one.held
            heaviest = by_network.most_common(1)[0][0]
            victim = max((o for o in held if o.network == heaviest), key=lambda o: o.held)
            self.leave(victim)
            victim.evict()

    def release(self, place: Place) -> None:
        """See `Place.release`."""
        self._held -= place.held
        place.held = 0

    def sweep(self) -> None:
        """End what has used up its time."""
        now = self._clock()
        for place in [place for place in self._all if place.deadline < now]:
            place.late()

    def _half_open_victim(self) -> Place | None:
        if not self._half:
            return None
        heaviest = max(self._half.values(), key=len)
        return next(iter(heaviest))

    def _busy_victim(self) -> Place | None:
        """Of strangers with a request under way, the oldest of the network that has most."""
        busy = [place for place in self._all if not place.owner]
        if not busy:
            return None
        heaviest = Counter(place.network for place in busy).most_common(1)[0][0]
        return min((o for o in busy if o.network == heaviest), key=lambda o: o.since)

    def _out_of_half(self, place: Place) -> None:
        same = self._half.get(place.network)
        if same is not None and place in same:
            del same[place]
            self._halves -= 1
            if not same:
                del self._half[place.network]

    def _forget(self, owner: str) -> None:
        self._owners[owner] -= 1
        if self._owners[owner] <= 0:
            del self._owners[owner]
