"""Who is there: the last look at Flower, kept for everybody who asks.

A thread has the wish (database) compared with the fact (Flower) every few seconds and at once after
each change, see `reconciler.py`, and keeps what it saw, so that viewers cost the SuperLink nothing.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from blossomtune_gradio.background import Loop
from blossomtune_gradio.errors import FlowerError, FlowerUnreachable
from blossomtune_gradio.flower.link.control import FlowerControl
from blossomtune_gradio.flower.link.facts import Node
from blossomtune_gradio.identity import SYSTEM, Role, User, require
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.services.sites.reconciler import Drift, Reconciler
from blossomtune_gradio.services.sites.records import OnLost, SiteRecords
from blossomtune_gradio.services.sites.reports import failed_checks
from blossomtune_gradio.services.sites.traffic import Traffic
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import NodeKey, Participant, ParticipantStatus, SiteReport, now

_log = logging.getLogger(__name__)
_EVERY = 2.0  # seconds between two looks at Flower
_SEEN_AWAY = timedelta(seconds=5)  # a ServerApp asks for answers every 3 s


@dataclass(frozen=True, kw_only=True)
class Site:
    """An approved site as it is seen now."""

    participant_id: int  # 0: nobody's, a runtime's own
    name: str
    partition_id: int
    node_id: str  # "" until its key is registered
    presence: Presence
    last_seen: datetime | None
    user_id: str = ""  # whose it is
    failed: tuple[str, ...] = ()  # names of the checks that failed when `join.py` last started

    @property
    def seen(self) -> str:
        """How long ago the last sign of life was, in words."""
        if self.last_seen is None:
            return "never seen"
        minutes = int((now() - self.last_seen).total_seconds() // 60)
        return f"last seen {minutes} min ago" if minutes else "seen less than a minute ago"


@dataclass(frozen=True)
class Look:
    """What Flower said last: nodes by id, and when (None: it cannot be asked)."""

    nodes: Mapping[int, Node]
    at: datetime | None

    def presence(self, has_key: bool, node_id: str) -> Presence:
        """How the site with this node is seen."""
        if not has_key:
            return Presence.NO_KEY
        if self.at is None:
            return Presence.UNKNOWN
        node = self.nodes.get(int(node_id)) if node_id else None
        return Presence(node.status) if node else Presence.REGISTERED

    def last_seen(self, node_id: str) -> datetime | None:
        """The last sign of life, as far as Flower tells."""
        node = self.nodes.get(int(node_id)) if node_id else None
        return node.last_seen if node else None


class SiteService:
    """Keeps Flower's list of nodes equal to ours, and tells who is there."""

    def __init__(
        self,
        database: Database,
        control: Callable[[], FlowerControl],
        logs: LogStore,
        outbox: Outbox,
        traffic: Traffic,
        lost_after: timedelta,
        on_lost: OnLost,
    ) -> None:
        """`control`: the SuperLink's Control API; it raises FlowerUnreachable."""
        self._database, self._control = database, control
        self._reconciler = Reconciler(database, logs)
        self._records = SiteRecords(database, outbox, traffic, lost_after, on_lost)
        self._look, self._answers_since = Look({}, None), now()
        self._trouble = ""
        self._keys: frozenset[bytes] = frozenset()
        self.loop = Loop("sites", self._watch, _EVERY)

    def open(self) -> None:
        """Start watching."""
        self.loop.open()

    def close(self) -> None:
        """Stop watching."""
        if self.loop.close():
            self._records.write(self._look.nodes)

    def wake(self) -> None:
        """Something changed: look now."""
        self.loop.wake()

    @property
    def trouble(self) -> str:
        """Why the last comparison failed, as a sentence, or ""."""
        return self._trouble

    def is_registered(self, key: bytes) -> bool:
        """Whether a public key, base64 of its PEM as a SuperNode sends it, is one of a site."""
        return key in self._keys

    def drift(self, by: User) -> list[Drift]:
        """Where Flower differs, or differed lately, from what was decided; the newest first."""
        require(by, Role.ADMIN, "see where Flower differs")
        return self._reconciler.drift()

    def look(self, by: User) -> Look:
        """What Flower said last."""
        require(by, Role.PARTICIPANT, "see the sites")
        return self._look

    def sites(self, by: User) -> list[Site]:
        """Approved sites, by partition: all for researchers and admins, else one's own."""
        require(by, Role.PARTICIPANT, "see the sites")
        query = (
            select(
                Participant.id,
                Participant.site,
                Participant.partition_id,
                Participant.user_id,
                NodeKey.node_id,
                NodeKey.seen_at,
                SiteReport.report,
            )
            .outerjoin(
                NodeKey,
                (NodeKey.participant_id == Participant.id) & NodeKey.retired_at.is_(None),
            )
            .outerjoin(
                SiteReport,
                (SiteReport.participant_id == Participant.id) & SiteReport.good.is_(False),
            )
            .where(Participant.status_word == ParticipantStatus.APPROVED.value)
            .order_by(Participant.partition_id)
        )
        if by.role < Role.RESEARCHER:
            query = query.where(Participant.user_id == by.id)
        look = self._look
        with self._database.read() as session:
            return [
                Site(
                    participant_id=row.id,
                    name=row.site,
                    partition_id=row.partition_id or 0,
                    node_id=row.node_id or "",
                    presence=look.presence(row.node_id is not None, row.node_id or ""),
                    last_seen=look.last_seen(row.node_id or "") or row.seen_at,
                    user_id=row.user_id,
                    failed=failed_checks(row.report or {}),
                )
                for row in session.execute(query)
            ]

    def rest_of_session(self, node_id: str) -> float | None:
        """Seconds a site must wait before it may start its SuperNode (again).

        Flower refuses it while its last session counts, up to 60 s after a crash. Were it back at
        once after that, a ServerApp that looks every 3 s would never see that it was away, and wait
        for an answer the new session knows nothing of. None: the SuperLink cannot be asked now.
        """
        node = self._look.nodes.get(int(node_id))
        if self._look.at is None or (node is not None and node.status == Presence.ONLINE):
            try:  # it may have said goodbye just now
                node = self._fresh(int(node_id))
            except FlowerError:
                return None
        if node is None or node.counts_until is None:
            return 0.0
        return max(0.0, (node.counts_until + _SEEN_AWAY - now()).total_seconds())

    def _fresh(self, node_id: int) -> Node | None:
        found = self._control().nodes()
        return next((one for one in found if one.node_id == node_id), None)

    def missing(self) -> str:
        """The sites that are not online, as a sentence, or ""."""
        absent = [site for site in self.sites(SYSTEM) if site.presence is not Presence.ONLINE]
        names = ", ".join(f"{site.name} ({site.seen})" for site in absent)
        return f"Missing: {names}." if names else "No other site is approved."

    # -- the watch -------------------------------------------------------------------------

    def _watch(self) -> None:
        try:
            self._compare()
            self._trouble = ""
        except FlowerUnreachable:
            self._look, self._trouble = Look({}, None), ""
        except FlowerError as error:
            if str(error) != self._trouble:
                _log.error("%s", error)
            self._trouble = str(error)
        except Exception as error:
            self._trouble = f"Comparing sites with Flower failed: {error!r}. See the log."
            raise

    def _compare(self) -> None:
        try:
            keys, nodes = self._reconciler.compare(self._control())
        except FlowerUnreachable:
            self._reconciler.unreachable()
            raise
        self._keys = frozenset(base64.b64encode(key.pem.encode()) for key in keys)
        if self._look.at is None:
            self._answers_since = now()
        self._look = Look(nodes, now())
        self._records.look(keys, nodes, self._answers_since)
