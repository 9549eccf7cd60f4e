"""A site at the door: whose token it has, whether its key may come in, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import BlossomError, InvalidInput, NotAllowed, NotPossible
from blossomtune_gradio.flower.link import possession
from blossomtune_gradio.flower.link.site_keys import SiteKey
from blossomtune_gradio.services.people import activation
from blossomtune_gradio.store.models import NodeKey, Participant, ParticipantStatus, now


class TokenRefused(BlossomError):
    """The join token is unknown or its time is up."""

    status = 401


@dataclass(frozen=True)
class JoinAnswer:
    """What a site is told once its key is accepted."""

    site: str
    partition_id: int
    num_partitions: int
    superlink: str  # host:port
    node_id: str | None  # None until the SuperLink runs
    registered: bool


@dataclass(frozen=True)
class Welcome:
    """What a site is told that only asks whether its token and key would be taken."""

    site: str
    partition_id: int
    key_known: bool
    token_expires_at: datetime | None
    """UTC; for a key that is known it does not matter any more."""


def holder(session: Session, token: str, fingerprint: str) -> Participant:
    """Whose token this is: an approved participant.

    Raises:
        TokenRefused: nobody's.
        NotAllowed: the site that owns this key was revoked, or the holder is not approved.
    """
    row = session.scalar(
        select(Participant).where(Participant.token_hash == activation.digest(token))
    )
    if row is None:
        raise _refusal(session, session.get(NodeKey, fingerprint))
    if row.status is not ParticipantStatus.APPROVED or row.partition_id is None:
        raise NotAllowed(f"{row.site} is {row.status}. Ask the admin for access.")
    return row


def _refusal(session: Session, known: NodeKey | None) -> BlossomError:
    """A token nobody has: was the site cut off, or was the token never ours?"""
    owner = session.get(Participant, known.participant_id) if known else None
    if owner is None or owner.status is ParticipantStatus.APPROVED:
        return TokenRefused("This token is not valid (any more). Get a new kit.")
    when = f"{owner.changed_at:%F}"
    why = f" Reason: {owner.reason.rstrip('.')}." if owner.reason else ""
    if owner.status is ParticipantStatus.WITHDRAWN:
        return NotAllowed(f"{owner.site} withdrew from the federation on {when}. Ask for access.")
    if owner.status is ParticipantStatus.DENIED:
        return NotAllowed(f"The request of {owner.site} was denied by an admin on {when}.{why}")
    if owner.status is ParticipantStatus.REVOKED:
        return NotAllowed(f"{owner.site} was revoked by an admin on {when}.{why}")
    return NotAllowed(f"{owner.site} asked for access anew and is not approved yet; wait for that.")


def require_proof(key: SiteKey, token: str, proof: str) -> None:
    if not proof:
        raise NotPossible("This kit is older than the server. Get a new kit; keep site.key.")
    if not possession.proves(key, token, proof):
        raise InvalidInput("The token is not signed with this key. Use the join.py of the kit.")


def key_in_use(session: Session, row: Participant) -> NodeKey | None:
    return session.scalar(
        select(NodeKey).where(NodeKey.participant_id == row.id, NodeKey.retired_at.is_(None))
    )


def take_key(session: Session, row: Participant, key: SiteKey) -> NodeKey:
    used = key_in_use(session, row)
    if used is not None:
        used.retired_at = now()  # a new kit means a new key: the old one is unregistered
    fresh = NodeKey(fingerprint=key.fingerprint, participant_id=row.id, pem=key.pem.decode())
    session.add(fresh)
    return fresh
