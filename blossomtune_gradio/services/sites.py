"""Wish against fact: the database says which sites may connect, Flower says which do.

A thread compares both every few seconds and at once after each change: it registers the keys of
approved sites, unregisters every other, and keeps the last look at Flower for the page, so that
viewers cost the SuperLink nothing. Surprise: Flower never takes an unregistered key back, so a key
it refuses is retired here and the site needs a new kit.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from blossomtune_gradio.errors import FlowerError, FlowerUnreachable
from blossomtune_gradio.flower.control import FlowerControl
from blossomtune_gradio.flower.facts import Node
from blossomtune_gradio.flower.failures import Code, FlowerRefused
from blossomtune_gradio.identity import SYSTEM, Role, User, require
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.federation import FederationService
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import NodeKey, Participant, ParticipantStatus, now

_EVERY = 2.0  # seconds between two looks at Flower


@dataclass(frozen=True, kw_only=True)
class Site:
    """An approved site as it is seen now."""

    participant_id: int
    name: str
    partition_id: int
    node_id: str  # "" until its key is registered
    presence: str  # "online", "offline", "registered" (never seen), "no key", "unknown"
    last_seen: datetime | None
    user_id: str = ""  # whose it is


class SiteService:
    """Keeps Flower's list of nodes equal to ours, and tells who is there."""

    def __init__(self, database: Database, federation: FederationService, logs: LogStore) -> None:
        self._database, self._federation, self._logs = database, federation, logs
        self._nodes: dict[int, Node] = {}
        self._seen_at: datetime | None = None
        self._trouble = ""
        self._wake, self._ending = threading.Event(), False
        self._thread = threading.Thread(target=self._watch, name="sites", daemon=True)

    def open(self) -> None:
        """Start watching."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._ending = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def wake(self) -> None:
        """Something changed: look now."""
        self._wake.set()

    @property
    def trouble(self) -> str:
        """Why the last comparison failed, as a sentence, or ""."""
        return self._trouble

    def sites(self, by: User) -> list[Site]:
        """Approved sites, by partition: all for researchers and admins, else one's own."""
        require(by, Role.PARTICIPANT, "see the sites")
        query = (
            select(Participant, NodeKey)
            .outerjoin(
                NodeKey,
                (NodeKey.participant_id == Participant.id) & NodeKey.retired_at.is_(None),
            )
            .where(Participant.status_word == ParticipantStatus.APPROVED.value)
            .order_by(Participant.partition_id)
        )
        if by.role < Role.RESEARCHER:
            query = query.where(Participant.user_id == by.id)
        with self._database.read() as session:
            return [self._site(row, key) for row, key in session.execute(query)]

    def anybody_online(self) -> bool:
        """Whether Flower can give work to at least one site."""
        return any(site.presence == "online" for site in self.sites(SYSTEM))

    def missing(self) -> str:
        """The sites that are not online, as a sentence, or ""."""
        absent = [site for site in self.sites(SYSTEM) if site.presence != "online"]
        names = ", ".join(f"{site.name} ({_seen(site.last_seen)})" for site in absent)
        return f"Missing: {names}." if names else "No other site is approved."

    def _site(self, row: Participant, key: NodeKey | None) -> Site:
        node = self._nodes.get(int(key.node_id)) if key and key.node_id else None
        if key is None:
            presence = "no key"
        elif self._seen_at is None:
            presence = "unknown"
        else:
            presence = node.status if node else "registered"
        return Site(
            participant_id=row.id,
            name=row.site,
            partition_id=row.partition_id or 0,
            node_id=key.node_id if key else "",
            presence=presence,
            last_seen=node.last_seen if node else None,
            user_id=row.user_id,
        )

    # -- the comparison --------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._ending:
            try:
                self._compare()
                self._trouble = ""
            except FlowerUnreachable:
                self._nodes, self._seen_at, self._trouble = {}, None, ""
            except FlowerError as error:
                self._tell(str(error))
            except Exception as error:  # noqa: BLE001 - the watch must outlive any surprise
                self._tell(f"Comparing sites with Flower failed: {error!r}. See the log.")
            self._wake.wait(_EVERY)
            self._wake.clear()

    def _compare(self) -> None:
        control = self._federation.control
        nodes = [node for node in control.nodes() if node.status != "unregistered"]
        wanted = self._wanted()
        known = {node.node_id for node in nodes}
        missing = [key for key in wanted if not key.node_id or int(key.node_id) not in known]
        for key in missing:
            self._register(control, key, nodes)
        keep = {int(key.node_id) for key in (self._wanted() if missing else wanted) if key.node_id}
        surplus = [node for node in nodes if node.node_id not in keep]
        for node in surplus:
            control.unregister(node.node_id)
            self._logs.append("blossomtune", [f"{node.name or node.node_id} was cut off."])
        if missing or surplus:
            nodes = control.nodes()
        self._nodes = {node.node_id: node for node in nodes if node.node_id in keep}
        self._seen_at = now()

    def _wanted(self) -> list[NodeKey]:
        query = (
            select(NodeKey)
            .join(Participant)
            .where(
                Participant.status_word == ParticipantStatus.APPROVED.value,
                NodeKey.retired_at.is_(None),
            )
        )
        with self._database.read() as session:
            return list(session.scalars(query))

    def _register(self, control: FlowerControl, key: NodeKey, nodes: list[Node]) -> None:
        with self._database.read() as session:
            name = session.get_one(Participant, key.participant_id).site
        same = next((n for n in nodes if n.public_key == key.pem.encode()), None)
        try:
            # A crash between Flower's answer and our commit leaves a key that is there already.
            node_id = same.node_id if same else control.register(key.pem.encode(), name)
        except FlowerRefused as error:
            if error.code not in (Code.KEY_IN_USE, Code.KEY_NOT_VALID):
                raise
            self._retire(key)
            self._tell(f"Flower refused the key of {name}: {error} Give the site a new kit.")
            return
        with self._database.write() as session:
            session.get_one(NodeKey, key.fingerprint).node_id = str(node_id)
        self._logs.append("blossomtune", [f"{name} is registered as node {node_id}."])

    def _retire(self, key: NodeKey) -> None:
        with self._database.write() as session:
            session.get_one(NodeKey, key.fingerprint).retired_at = now()

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._logs.append("blossomtune", [f"ERROR: {trouble}"])
        self._trouble = trouble


def _seen(moment: datetime | None) -> str:
    if moment is None:
        return "never seen"
    minutes = int((now() - moment).total_seconds() // 60)
    return f"last seen {minutes} min ago" if minutes else "seen less than a minute ago"
