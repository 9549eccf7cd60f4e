"""Wish against fact, one comparison at a time: the database says which keys may connect, Flower
says which do.

It registers the keys of approved sites and unregisters every other. What it had to put right, and
what it could not, is told as `drift`: sentences for admins. Each site stands alone: one that Flower
refuses keeps no other waiting. Surprise: Flower never takes an unregistered key back, so a key it
refuses is retired here and the site needs a new kit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import FlowerError, FlowerUnreachable
from blossomtune_gradio.flower.link.control import FlowerControl
from blossomtune_gradio.flower.link.facts import Node
from blossomtune_gradio.flower.link.failures import Code, FlowerRefused
from blossomtune_gradio.identity import SYSTEM
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import NodeKey, Participant, ParticipantStatus, now

_REMEMBERED = timedelta(hours=1)  # what was put right is shown that long


@dataclass(frozen=True)
class Drift:
    """Something that was, or still is, different in Flower than it should be."""

    text: str  # a sentence
    at: datetime
    participant_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key that may connect, and whose it is."""

    fingerprint: str
    pem: str
    node_id: str  # "" until it is registered
    lost_at: datetime | None
    participant_id: int
    site: str
    email: str


class Reconciler:
    """Makes Flower's list of nodes equal to ours."""

    def __init__(self, database: Database, logs: LogStore) -> None:
        self._database, self._logs = database, logs
        self._done: deque[Drift] = deque(maxlen=20)  # put right; worth knowing for a while
        self._refused: dict[int, Drift] = {}  # by participant, until they hand in another key
        self._failed: dict[str, Drift] = {}  # by key, until a later try succeeds
        self._waiting: Drift | None = None

    def drift(self) -> list[Drift]:
        """What differs or differed within the last hour, the newest first."""
        recent = [drift for drift in list(self._done) if now() - drift.at < _REMEMBERED]
        waiting = [self._waiting] if self._waiting else []
        found = [*waiting, *self._refused.values(), *self._failed.values(), *recent]
        return sorted(found, key=lambda drift: drift.at, reverse=True)

    def compare(self, control: FlowerControl) -> tuple[list[Key], dict[int, Node]]:
        """Compare once and put right. Returns the keys that may connect, and their nodes by id.

        Raises:
            FlowerUnreachable: the SuperLink does not answer; nothing is lost, try again.
        """
        nodes = _living(control)
        wanted = self.wanted()
        known = {node.node_id for node in nodes}
        missing = [key for key in wanted if not key.node_id or int(key.node_id) not in known]
        by_key = {node.public_key: node for node in nodes}
        for key in missing:
            self._register(control, key, by_key.get(key.pem.encode()))
        if missing:
            wanted = self.wanted()
        keep = {int(key.node_id) for key in wanted if key.node_id}
        surplus = [node for node in nodes if node.node_id not in keep]
        for node in surplus:
            self._cut_off(control, node)
        if missing or surplus:
            nodes = _living(control)
        self._waiting = None
        self._forget_solved(wanted)
        return wanted, {node.node_id: node for node in nodes if node.node_id in keep}

    def unreachable(self) -> None:
        """Flower cannot be asked: note who waits for it."""
        names = [key.site for key in self.wanted() if not key.node_id]
        if not names:
            self._waiting = None
        elif self._waiting is None:
            text = (
                f"Approved but not registered, because the SuperLink is not running: {_few(names)}."
            )
            self._waiting = Drift(text, now())

    def wanted(self) -> list[Key]:
        """The keys of approved sites."""
        with self._database.read() as session:
            return [_key(row) for row in session.execute(_WANTED)]

    # -- one site --------------------------------------------------------------------------

    def _register(self, control: FlowerControl, key: Key, same: Node | None) -> None:
        try:
            # A crash between Flower's answer and our commit leaves a key that is there already.
            node_id = same.node_id if same else control.register(key.pem.encode(), key.site)
        except FlowerUnreachable:
            raise
        except FlowerRefused as error:
            if error.code in (Code.KEY_IN_USE, Code.KEY_NOT_VALID):
                self._retire(key, str(error))
            else:
                self._fail(key, f"{key.site} is approved but not registered: {error}")
            return
        except FlowerError as error:
            self._fail(key, f"{key.site} is approved but not registered: {error}")
            return
        with self._database.write() as session:
            session.get_one(NodeKey, key.fingerprint).node_id = str(node_id)
            _note(session, "site.register", key, node=str(node_id))
        self._failed.pop(key.fingerprint, None)
        if key.node_id:
            text = f"Flower had lost {key.site}. It is registered again, as node {node_id}."
            self._done.append(Drift(text, now(), key.participant_id))
        self._say(f"{key.site} is registered as node {node_id}.")

    def _cut_off(self, control: FlowerControl, node: Node) -> None:
        try:
            control.unregister(node.node_id)
        except FlowerUnreachable:
            raise
        except FlowerRefused as error:
            if error.code != Code.NODE_NOT_FOUND:  # somebody was faster
                self._done.append(Drift(f"{_called(node)} could not be cut off: {error}", now()))
                return
        pem = (node.public_key or b"").decode("ascii", "replace")
        with self._database.write() as session:
            found = session.execute(_OWNERS.where(NodeKey.pem == pem)).first()
            key = _key(found) if found else None
            target = f"participant:{key.participant_id}" if key else f"node:{node.node_id}"
            record(
                session,
                SYSTEM,
                "site.unregister",
                target,
                target_name=key.site if key else node.name,
                before={"node": str(node.node_id)},
            )
        if key is None:
            text = (
                f"Flower had a key that nobody handed in here ({_called(node)}). It was cut off. "
                "Somebody on this machine may have registered it by hand."
            )
            self._done.append(Drift(text, now()))
        self._say(f"{_called(node)} was cut off.")

    def _retire(self, key: Key, why: str) -> None:
        text = f"Flower refused the key of {key.site}: {why} Give the site a new kit."
        with self._database.write() as session:
            session.get_one(NodeKey, key.fingerprint).retired_at = now()
            _note(session, "site.refuse", key, reason=why)
        self._refused[key.participant_id] = Drift(text, now(), key.participant_id)
        self._failed.pop(key.fingerprint, None)
        self._say(f"ERROR: {text}")

    def _fail(self, key: Key, text: str) -> None:
        before = self._failed.get(key.fingerprint)
        if before is None or before.text != text:
            self._failed[key.fingerprint] = Drift(text, now(), key.participant_id)
            self._say(f"ERROR: {text}")

    def _forget_solved(self, wanted: Iterable[Key]) -> None:
        alive = {key.fingerprint: key.participant_id for key in wanted}
        self._failed = {k: drift for k, drift in self._failed.items() if k in alive}
        if not self._refused:
            return
        with self._database.read() as session:
            approved = set(
                session.scalars(
                    select(Participant.id).where(
                        Participant.id.in_(self._refused),
                        Participant.status_word == ParticipantStatus.APPROVED.value,
                    )
                )
            )
        still = approved - set(alive.values())
        self._refused = {who: drift for who, drift in self._refused.items() if who in still}

    def _say(self, sentence: str) -> None:
        self._logs.append("blossomtune", [sentence])


_OWNERS = select(
    NodeKey.fingerprint,
    NodeKey.pem,
    NodeKey.node_id,
    NodeKey.lost_at,
    NodeKey.participant_id,
    Participant.site,
    Participant.email,
).join(Participant, Participant.id == NodeKey.participant_id)
_WANTED = _OWNERS.where(
    Participant.status_word == ParticipantStatus.APPROVED.value, NodeKey.retired_at.is_(None)
)


def _key(row: Any) -> Key:
    return Key(**row._mapping)


def _living(control: FlowerControl) -> list[Node]:
    return [node for node in control.nodes() if node.status != "unregistered"]


def _note(session: Session, action: str, key: Key, **after: object) -> None:
    target = f"participant:{key.participant_id}"
    record(session, SYSTEM, action, target, target_name=key.site, after=after)


def _called(node: Node) -> str:
    return node.name or f"node {node.node_id}"


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
