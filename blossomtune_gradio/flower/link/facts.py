"""What the SuperLink knows, as plain values: nodes, runs, pieces of log.

Everything of Flower's protobuf messages that we use is read here, once. Times are aware datetimes
in UTC, ids unsigned 64-bit numbers: too large for JavaScript, so show them as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from flwr.proto.node_pb2 import NodeInfo
from flwr.proto.run_pb2 import Run

_HEARTBEATS_TO_LOSE = 2  # Flower calls a node online until two heartbeats have failed to come


@dataclass(frozen=True)
class Node:
    """One site as Flower sees it."""

    node_id: int
    name: str
    status: str
    """registered (never seen) | online | offline | unregistered (for ever)"""
    public_key: bytes | None
    """PEM SubjectPublicKeyInfo, as it was registered."""
    registered_at: datetime | None
    online_since: datetime | None
    """None unless online."""
    last_seen: datetime | None
    """Last sign of life, None if it never came. Up to 60 s late for one that fell silent."""
    unregistered_at: datetime | None
    left_at: datetime | None = None
    """When it last went away, by itself or by silence. Stays after it has come back."""

    counts_until: datetime | None = None
    """Until then Flower takes it for present and refuses another session; in the past once away."""

    def away_between(self, begin: datetime, end: datetime) -> bool:
        """Whether it left within that time."""
        return self.left_at is not None and begin <= self.left_at <= end


@dataclass(frozen=True)
class RunFact:
    """One run as Flower sees it."""

    run_id: int
    app_id: str
    """publisher/name"""
    app_version: str
    fab_hash: str
    """SHA-256 of the bundle that every site gets."""
    status: str
    """pending | starting | running | finished"""
    sub_status: str
    """completed | failed | stopped, empty before the end"""
    details: str
    """Flower's words for a failure, often the last line of a traceback."""
    pending_at: datetime | None
    starting_at: datetime | None
    running_at: datetime | None
    finished_at: datetime | None
    bytes_sent: int
    """As the SuperLink counts: towards the sites."""
    bytes_received: int
    client_seconds: float
    """Compute time of all ClientApps together."""
    config: Mapping[str, object] = field(default_factory=dict)
    """What the submission gave instead of the app's defaults."""

    @property
    def finished(self) -> bool:
        """True when nothing more will happen."""
        return self.status == "finished"

    @property
    def server_seconds(self) -> float:
        """Time the ServerApp has run, until now or until its end. 0 before it started."""
        if self.running_at is None:
            return 0.0
        end = self.finished_at or datetime.now(UTC)
        return max(0.0, (end - self.running_at).total_seconds())


@dataclass(frozen=True)
class LogChunk:
    """A piece of a ServerApp's output. It may begin and end inside a line."""

    text: str
    timestamp: float
    """Seconds since 1970; ask for what came after it."""


def node_fact(info: NodeInfo) -> Node:
    """One entry of ListNodes."""
    online = info.status == "online"
    return Node(
        node_id=info.node_id,
        name=info.name,
        status=info.status,
        public_key=info.public_key or None,
        registered_at=_time(info.registered_at),
        online_since=_time(info.last_activated_at) if online else None,
        last_seen=_last_seen(info),
        unregistered_at=_time(info.unregistered_at),
        left_at=_time(info.last_deactivated_at),
        counts_until=_counts_until(info),
    )


def run_fact(run: Run) -> RunFact:
    """One entry of ListRuns."""
    return RunFact(
        run_id=run.run_id,
        app_id=run.fab_id,
        app_version=run.fab_version,
        fab_hash=run.fab_hash,
        status=run.status.status,
        sub_status=run.status.sub_status,
        details=run.status.details,
        pending_at=_time(run.pending_at),
        starting_at=_time(run.starting_at),
        running_at=_time(run.running_at),
        finished_at=_time(run.finished_at),
        bytes_sent=run.bytes_sent,
        bytes_received=run.bytes_recv,
        client_seconds=run.clientapp_runtime,
        config={key: getattr(v, v.WhichOneof("scalar")) for key, v in run.override_config.items()},
    )


def _last_seen(info: NodeInfo) -> datetime | None:
    """Flower keeps the deadline by which it wants to hear from a node, or when it said goodbye."""
    until = _counts_until(info)
    if until is None or info.status != "online":
        return until
    return until - timedelta(seconds=_HEARTBEATS_TO_LOSE * info.heartbeat_interval)


def _counts_until(info: NodeInfo) -> datetime | None:
    return datetime.fromtimestamp(info.online_until, UTC) if info.HasField("online_until") else None


def _time(text: str) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
