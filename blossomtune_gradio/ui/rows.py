"""What the tables of the Admin page show, as plain JSON. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from blossomtune_gradio.services.sites import Site
from blossomtune_gradio.store.models import PARTICIPANT_MOVES, Mail, Participant
from blossomtune_gradio.store.models import ParticipantStatus as Status

_STATUS_TONES = {Status.APPROVED: "good", Status.CONFIRMED: "busy"}
_PRESENCE = {  # Flower's word: (ours, tone)
    "online": ("online", "good"),
    "offline": ("offline", "bad"),
    "registered": ("never seen", "off"),
    "no key": ("kit not used yet", "off"),
}
_ORDER = [Status.CONFIRMED, Status.REQUESTED, Status.APPROVED]  # who waits for us comes first
_DECISIONS = {"approve": Status.APPROVED, "deny": Status.DENIED, "revoke": Status.REVOKED}


def participant_row(person: Participant, site: Site | None) -> dict[str, Any]:
    """One request; `site` is how Flower sees it, once it is approved."""
    moves = PARTICIPANT_MOVES[person.status]
    word = site.presence if site else ""
    presence, tone = _PRESENCE.get(word, (word, "off"))
    return {
        "id": person.id,
        "site": person.site,
        "email": person.email,
        "organisation": person.organisation,
        "status": person.status.value,
        "tone": _STATUS_TONES.get(person.status, "off"),
        "partition": person.partition_id,
        "presence": presence,
        "presence_tone": tone,
        "last_seen": iso(site.last_seen) if site else None,
        "note": person.reason or person.message,
        "can": [word for word, status in _DECISIONS.items() if status in moves],
        "has_kit": person.status is Status.APPROVED,
    }


def by_need(person: Participant) -> tuple[int, int, int]:
    """Sort key: first who waits for a decision, then sites by partition, then those who left."""
    place = _ORDER.index(person.status) if person.status in _ORDER else len(_ORDER)
    return place, person.partition_id or 0, person.id


def mail_row(mail: Mail) -> dict[str, Any]:
    """One mail of the outbox."""
    return {
        "id": mail.id,
        "status": mail.status_word,
        "recipient": mail.recipient,
        "subject": mail.subject,
        "body": mail.body,
        "created": iso(mail.created_at),
    }


def iso(moment: datetime | None) -> str | None:
    """UTC, or None."""
    return moment.isoformat(timespec="seconds") if moment else None


def right_now() -> str:
    """The server's clock: the browser's may be wrong."""
    return datetime.now(UTC).isoformat(timespec="seconds")
