"""What is written down of each site once in a while: traffic, last sign of life, a loss.

Flower owns who is online; what must survive a stop of the SuperLink (or of us) is kept with the
site's key. A loss is mailed once, and a site that comes back can be lost again. Surprise: after
a pause of the SuperLink no site is there yet, so the clock of a loss starts when Flower answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from blossomtune_gradio.flower.link.facts import Node
from blossomtune_gradio.identity import SYSTEM
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.services.sites.reconciler import Key
from blossomtune_gradio.services.sites.traffic import Count, Traffic
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import NodeKey, now

_EVERY = 10.0  # seconds between two writes of traffic
OnLost = Callable[[Session, str, datetime, int], None]
"""Told in the same transaction: the site, when it was last seen, the minutes since."""


class SiteRecords:
    """Keeps what should be known of a site after it is gone."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        traffic: Traffic,
        lost_after: timedelta,
        on_lost: OnLost,
    ) -> None:
        self._database, self._outbox, self._traffic = database, outbox, traffic
        self._lost_after, self._on_lost = lost_after, on_lost
        self._written_at = 0.0

    def look(self, keys: Iterable[Key], nodes: Mapping[int, Node], since: datetime) -> None:
        """Note who is lost and who is back; `since` is when Flower began to answer."""
        for key in keys:
            node = nodes.get(int(key.node_id)) if key.node_id else None
            if node is None or node.last_seen is None:
                continue
            if key.lost_at is not None and node.status == Presence.ONLINE:
                self._is_back(key)
            away = now() - max(node.last_seen, since)
            if key.lost_at is None and node.status == Presence.OFFLINE and away > self._lost_after:
                self._is_lost(key, node.last_seen)
        if time.monotonic() - self._written_at >= _EVERY:
            self.write(nodes)

    def write(self, nodes: Mapping[int, Node]) -> None:
        """Add what was counted to the keys, with the last sign of life of each node."""
        self._written_at = time.monotonic()
        counts = self._traffic.take()
        seen = {str(node_id): node.last_seen for node_id, node in nodes.items()}
        with self._database.read() as session:
            keys = session.execute(
                select(NodeKey.fingerprint, NodeKey.pem, NodeKey.node_id, NodeKey.seen_at).where(
                    NodeKey.node_id != ""
                )
            ).all()
        changes = [
            (fingerprint, counts.get(pem), seen.get(node_id))
            for fingerprint, pem, node_id, seen_at in keys
            if pem in counts or seen.get(node_id, seen_at) != seen_at
        ]
        if not changes:
            return
        with self._database.write() as session:
            for fingerprint, count, moment in changes:
                values = {**_added(count), **({"seen_at": moment} if moment else {})}
                session.execute(
                    update(NodeKey).where(NodeKey.fingerprint == fingerprint).values(values)
                )

    def _is_lost(self, key: Key, last_seen: datetime) -> None:
        minutes = int((now() - last_seen).total_seconds() // 60)
        seen = last_seen.strftime("%Y-%m-%d %H:%M UTC")
        with self._database.write() as session:
            session.get_one(NodeKey, key.fingerprint).lost_at = now()
            self._outbox.put(
                session, "site_lost", key.email, site=key.site, minutes=minutes, last_seen=seen
            )
            self._on_lost(session, key.site, last_seen, minutes)
            target = f"participant:{key.participant_id}"
            after = {"last_seen": seen}
            record(session, SYSTEM, "site.lost", target, target_name=key.site, after=after)

    def _is_back(self, key: Key) -> None:
        with self._database.write() as session:
            session.get_one(NodeKey, key.fingerprint).lost_at = None
            target = f"participant:{key.participant_id}"
            record(session, SYSTEM, "site.back", target, target_name=key.site)


def _added(count: Count | None) -> dict[str, object]:
    if count is None:
        return {}
    return {
        "bytes_received": NodeKey.bytes_received + count.received,
        "bytes_sent": NodeKey.bytes_sent + count.sent,
        "requests": NodeKey.requests + count.requests,
        "rounds": NodeKey.rounds + count.rounds,
    }
