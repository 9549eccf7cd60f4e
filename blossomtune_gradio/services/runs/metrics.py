"""The numbers of a run: one value per metric, round and site.

Points are idempotent, so a log that is read twice after a crash changes nothing. Surprise: a value
that is not finite is kept as *no value*, because neither JSON nor SQLite can hold NaN; the round
still counts as heard.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Select, String, cast, func, literal, select

from blossomtune_gradio.flower.lines.round_log import Point
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.store.database import Database, upsert
from blossomtune_gradio.store.models import MetricPoint, Participant, ParticipantStatus, Run

SERVER_ACCURACY, SERVER_LOSS = "server/accuracy", "server/loss"
_BATCH = 5000  # points
REPLIES, FAILURES = "train/replies", "train/failures"


@dataclass(frozen=True, slots=True)
class Value:
    """One point of a chart; `value` is None where the metric was not a finite number."""

    name: str
    site: str
    round: int
    value: float | None


class MetricService:
    """Keeps points and hands them out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, run_id: int, points: Iterable[Point]) -> None:
        """Keep the points of a run; a point that is there already gets the newer value.

        Some thousand in a transaction, so that others can write in between.
        """
        rows = [
            {
                "run_id": run_id,
                "name": point.name,
                "site": point.site,
                "round": point.round,
                "value": point.value if math.isfinite(point.value) else None,
            }
            for point in points
        ]
        for begin in range(0, len(rows), _BATCH):
            with self._database.write() as session:
                session.execute(upsert(session, MetricPoint, "value"), rows[begin : begin + _BATCH])

    def values(self, run_id: int, by: User) -> list[Value]:
        """Points of a run, by name, site and round; of sites, a participant sees their own."""
        require(by, Role.PARTICIPANT, "see the metrics of a run")
        query = (
            select(MetricPoint.name, MetricPoint.site, MetricPoint.round, MetricPoint.value)
            .where(MetricPoint.run_id == run_id)
            .order_by(MetricPoint.name, MetricPoint.site, MetricPoint.round)
        )
        if by.role < Role.RESEARCHER:
            query = query.where(MetricPoint.site.in_(_may_see(run_id, by)))
        with self._database.read() as session:
            return [Value(*row) for row in session.execute(query)]

    def count(self, run_id: int) -> int:
        """Number of points, to see cheaply whether a chart must be drawn again."""
        query = select(func.count()).select_from(MetricPoint).where(MetricPoint.run_id == run_id)
        with self._database.read() as session:
            return session.scalar(query) or 0


def _may_see(run_id: int, by: User) -> Select[tuple[str]]:
    """Names of sites in the points of a run that are the caller's: averages and their partition.

    A run from before they had that partition was somebody else's.
    """
    own = (
        select(cast(Participant.partition_id, String))
        .join(Run, Run.created_at >= Participant.changed_at)
        .where(Run.id == run_id, Participant.user_id == by.id)
        .where(Participant.status_word == ParticipantStatus.APPROVED.value)
    )
    return own.union_all(select(literal(""))).subquery().select()
