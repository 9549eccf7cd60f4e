"""Small steps on the rows of participants, inside the transaction of the calling service."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, func, not_, select
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import InvalidInput, NotFound, NotPossible
from blossomtune_gradio.identity import SYSTEM, User
from blossomtune_gradio.services.addresses import shown_name
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.store.models import LIVE, NodeKey, Participant, now
from blossomtune_gradio.store.models import ParticipantStatus as Status

_DECIDED = {Status.APPROVED, Status.DENIED, Status.REVOKED, Status.WITHDRAWN}
_NOT_PROVEN = "The address was not proven in time, and another request needs it or the name."


def get_row(session: Session, participant_id: int) -> Participant:
    """The row with this number. Raises NotFound."""
    row = session.get(Participant, participant_id)
    if row is None:
        raise NotFound("This participant does not exist (any more). Reload the page.")
    return row


def own_row(session: Session, user: User) -> Participant:
    """The row of this person. Raises NotFound before their first request."""
    row = session.scalar(select(Participant).where(Participant.user_id == user.id))
    if row is None:
        raise NotFound("You have not asked for access yet.")
    return row


def move(row: Participant, new: Status, by: User, reason: str = "") -> None:
    """Change state; whoever comes second is told who was first, and when.

    Raises:
        NotPossible: the state does not allow it.
    """
    try:
        row.move_to(new, by=by.id, reason=reason, by_name=shown_name(by.name))
    except NotPossible as error:
        if row.status not in _DECIDED:
            raise
        raise NotPossible(
            f"{row.site} was {row.status} by {row.decided_name or 'somebody'} {_ago(row)} ago. "
            "Nothing was changed now."
        ) from error


def cut_off(session: Session, row: Participant) -> None:
    """Take back partition and token, and retire the keys: the reconciler does the rest."""
    row.partition_id = row.token_hash = row.token_expires_at = None
    for key in session.scalars(
        select(NodeKey).where(NodeKey.participant_id == row.id, NodeKey.retired_at.is_(None))
    ):
        key.retired_at = now()


def lowest_free(session: Session, total: int) -> int:
    """The lowest partition without an owner. Raises NotPossible when there is none."""
    taken = set(session.scalars(select(Participant.partition_id)))
    for candidate in range(total):
        if candidate not in taken:
            return candidate
    raise NotPossible(
        f"All {total} partitions have an owner. Revoke a site first; their number can only be "
        "raised while no site is approved."
    )


def free_partition(session: Session, total: int, wanted: int | None) -> int:
    """The wanted partition of so many, or the lowest without an owner.

    Raises:
        InvalidInput: there is no such partition.
        NotPossible: all have an owner.
    """
    if wanted is None:
        return lowest_free(session, total)
    if not 0 <= wanted < total:
        raise InvalidInput(
            f"Partition {wanted} does not exist: the federation has {total}, numbered from 0 "
            f"to {total - 1}."
        )
    return wanted


def require_room(session: Session, most: int, *statuses: Status) -> None:
    """Raise NotPossible when `most` participants are in one of the states (none given: alive).

    A request that was not proven in time takes no place, else strangers could fill them all.
    """
    words = [status.value for status in statuses or LIVE]
    counted = select(func.count(Participant.id)).where(
        Participant.status_word.in_(words), not_(_too_late())
    )
    if (session.scalar(counted) or 0) >= most:
        raise NotPossible("The federation is full. Ask the admin to make room.")


def release_unproven(session: Session, user: User, site: str, email: str) -> None:
    """End requests of others that hold the name or address and were not proven in time.

    Otherwise whoever types a foreign address would lock its owner out for ever.
    """
    unproven = select(Participant).where(Participant.user_id != user.id, _too_late())
    held = [
        row for row in session.scalars(unproven) if same_name(row.site, site) or row.email == email
    ]
    for row in held:
        row.move_to(Status.WITHDRAWN, by=SYSTEM.id, reason=_NOT_PROVEN, by_name=SYSTEM.name)
        row.code_hash, row.code_expires_at = "", None
        note(session, SYSTEM, "expire", row)


def require_free_name(session: Session, user: User, site: str) -> None:
    """Raise NotPossible when a living site of another person has the name in other capitals.

    For the very same name there is a constraint; SQLite folds no letter beyond ASCII.
    """
    others = select(Participant.site).where(
        Participant.status_word.in_([status.value for status in LIVE]),
        Participant.user_id != user.id,
    )
    taken = next((name for name in session.scalars(others) if same_name(name, site)), None)
    if taken is not None:
        raise NotPossible(f"The site name {taken} is taken by another request. Choose another.")


def same_name(one: str, other: str) -> bool:
    """Whether people would take two names of sites for one."""
    return one.casefold() == other.casefold()


def _too_late() -> ColumnElement[bool]:
    """Of a request that was not proven before its code expired."""
    expires = Participant.code_expires_at
    return and_(
        Participant.status_word == Status.REQUESTED.value, expires.is_not(None), expires < now()
    )


def note(session: Session, by: User, verb: str, row: Participant, **after: object) -> None:
    """Write the move into the audit trail."""
    session.flush()  # a new row has its number from now on
    record(
        session,
        by,
        f"participant.{verb}",
        f"participant:{row.id}",
        target_name=row.site,
        after={"status": row.status_word, **after},
    )


def _ago(row: Participant) -> str:
    seconds = max(0, round((now() - row.changed_at).total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} days"


def introduction(row: Participant) -> dict[str, str]:
    """Who it is, for a mail to the admins."""
    return {
        "site": row.site,
        "username": row.username,
        "email": row.email,
        "organisation": row.organisation,
        "message": row.message,
        "data": row.data,
    }
