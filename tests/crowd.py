"""Many made-up participants at once, written straight into the database. Seeded."""

from __future__ import annotations

import random
from datetime import timedelta

from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import NodeKey, Participant, now
from blossomtune_gradio.store.models import ParticipantStatus as Status

_TOWNS = ("Aachen", "Bergen", "Córdoba", "Dresden", "Évora", "Firenze", "Gent", "Łódź", "Zürich")
_MIX = (*[Status.CONFIRMED] * 5, *[Status.REQUESTED] * 2, *[Status.APPROVED] * 8)
_MIX = (*_MIX, *[Status.DENIED] * 3, Status.REVOKED, Status.WITHDRAWN)


def crowd(database: Database, count: int, approved: int = 10**9) -> None:
    """Add so many people in every state; at most `approved` of them own a partition."""
    dice, moment = random.Random(7), now()
    owners = 0
    with database.write() as session:
        for number in range(count):
            status = dice.choice(_MIX)
            if status is Status.APPROVED and owners >= approved:
                status = Status.CONFIRMED
            town = dice.choice(_TOWNS)
            asked = moment - timedelta(minutes=dice.randrange(1, 60 * 24 * 30))
            row = Participant(
                user_id=f"made:{number}",
                username=f"person{number}",
                site=f"{town} {number:05d}",
                email=f"person{number}@hospital{number % 40}.example.org",
                organisation=f"Hospital {number % 40}",
                message="We would like to take part in the pathology study.",
                status_word=status.value,
                partition_id=owners if status is Status.APPROVED else None,
                requested_at=asked,
                changed_at=asked,
            )
            if status in (Status.DENIED, Status.REVOKED):
                row.reason, row.decided_name = "The study is closed.", "Ada"
            session.add(row)
            owners += status is Status.APPROVED
        session.flush()
        for row in session.query(Participant).where(Participant.partition_id.is_not(None)):
            if row.partition_id % 3:
                session.add(_key(row))


def _key(row: Participant) -> NodeKey:
    return NodeKey(
        fingerprint=f"SHA256:{row.id}",
        participant_id=row.id,
        pem=f"made up {row.id}",
        node_id=str(10**18 + row.id),
        bytes_received=row.id * 1_000_000,
        bytes_sent=row.id * 2_000_000,
        rounds=row.id % 50,
    )
