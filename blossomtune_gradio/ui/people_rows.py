"""What the participants' table and its drawer show, as plain JSON. Pure."""

from __future__ import annotations

from typing import Any

from blossomtune_gradio.services.options import PartitionUse
from blossomtune_gradio.services.review.directory import Details, Page, Person
from blossomtune_gradio.services.sites.reconciler import Drift
from blossomtune_gradio.store.models import PARTICIPANT_MOVES, AuditEntry, NodeKey, SiteReport
from blossomtune_gradio.store.models import ParticipantStatus as Status
from blossomtune_gradio.ui.rows import iso, right_now

_STATUS = {  # our word: (the page's, tone)
    Status.REQUESTED: ("e-mail not proven", "off"),
    Status.CONFIRMED: ("waiting", "busy"),
    Status.APPROVED: ("approved", "good"),
    Status.DENIED: ("denied", "off"),
    Status.REVOKED: ("revoked", "off"),
    Status.WITHDRAWN: ("withdrawn", "off"),
}
_PRESENCE = {  # Flower's word: (ours, tone)
    "online": ("online", "good"),
    "offline": ("offline", "bad"),
    "registered": ("never seen", "off"),
    "no key": ("kit not used yet", "off"),
    "unknown": ("SuperLink is off", "off"),
}
_DECISIONS = {"approve": Status.APPROVED, "deny": Status.DENIED, "revoke": Status.REVOKED}
_ACTIONS = {
    "participant.request": "asked for access",
    "participant.resend": "had the code mailed again",
    "participant.confirm": "proved the e-mail address",
    "participant.approve": "approved",
    "participant.deny": "denied",
    "participant.revoke": "revoked",
    "participant.withdraw": "withdrew",
    "participant.note": "changed the note",
    "site.register": "registered the key with Flower",
    "site.unregister": "cut the site off",
    "site.refuse": "was refused the key by Flower",
    "site.lost": "lost sight of the site",
    "site.forgery": "refused a forged reply of the site",
    "site.back": "saw the site come back",
}


def page_answer(page: Page, view: str, drift: list[Drift]) -> dict[str, Any]:
    """One page of the table and what stands around it."""
    return {
        "view": view,
        "rows": [person_row(person) for person in page.people],
        "total": page.total,
        "page": page.page,
        "size": page.size,
        "counts": page.counts,
        "presences": page.presences,
        "partitions": _partitions(page.partitions),
        "drift": [{"text": one.text, "at": iso(one.at)} for one in drift[:5]],
        "now": right_now(),
    }


def person_row(person: Person) -> dict[str, Any]:
    """One participant as a row."""
    row = person.row
    word, tone = _STATUS[row.status]
    seen_as, presence_tone = _PRESENCE.get(person.presence, (person.presence, "off"))
    return {
        "id": row.id,
        "site": row.site,
        "email": row.email,
        "organisation": row.organisation,
        "status": word,
        "tone": tone,
        "since": iso(row.requested_at if row.status is Status.REQUESTED else row.changed_at),
        "partition": row.partition_id,
        "presence": seen_as,
        "presence_tone": presence_tone,
        "last_seen": iso(person.last_seen),
        "rounds": person.rounds,
        "received": person.received,
        "sent": person.sent,
        "words": row.reason or row.message,
        "note": row.note,
        "can": [w for w, status in _DECISIONS.items() if status in PARTICIPANT_MOVES[row.status]],
        "has_kit": row.status is Status.APPROVED,
    }


def details_answer(details: Details) -> dict[str, Any]:
    """One participant with everything that is known."""
    row = details.person.row
    return {
        **person_row(details.person),
        "person": row.username,
        "account": row.user_id,
        "message": row.message,
        "data": row.data,
        "requested": iso(row.requested_at),
        "changed": iso(row.changed_at),
        "decided_by": row.decided_name or row.decided_by,
        "reason": row.reason,
        "keys": [_key(key) for key in details.keys],
        "report": _report(details.report),
        "history": [_history(entry) for entry in details.history],
        "partitions": _partitions(details.partitions),
        "now": right_now(),
    }


def _partitions(use: PartitionUse) -> dict[str, Any]:
    return {"total": use.total, "assigned": use.assigned, "free": use.lowest_free}


def _key(key: NodeKey) -> dict[str, Any]:
    return {
        "fingerprint": key.fingerprint,
        "node": key.node_id,
        "added": iso(key.added_at),
        "retired": iso(key.retired_at),
    }


def _report(report: SiteReport | None) -> dict[str, Any] | None:
    """A site wrote it, so nothing in it has to be what it should be."""
    if report is None:
        return None
    checks = report.report.get("checks")
    told = (
        [check for check in checks if isinstance(check, dict)] if isinstance(checks, list) else []
    )
    return {
        "at": iso(report.at),
        "good": report.good,
        "checks": [
            {
                "name": str(check.get("name", ""))[:100],
                "ok": check.get("ok") is True,
                "sentence": str(check.get("sentence", ""))[:1000],
            }
            for check in told[:50]
        ],
    }


def _history(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": iso(entry.at),
        "who": entry.actor_name or entry.actor,
        "what": _ACTIONS.get(entry.action, entry.action),
        "detail": _detail(entry.after),
        "address": entry.address,
    }


def _detail(after: dict[str, Any]) -> str:
    told = {"partition": "partition {}", "reason": "“{}”", "note": "“{}”", "node": "node {}"}
    told["last_seen"] = "last seen {}"
    return ", ".join(
        words.format(after[name])
        for name, words in told.items()
        if after.get(name) not in (None, "")
    )
