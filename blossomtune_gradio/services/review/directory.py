"""The list of participants as an admin looks at it: search, filter, sort, page, one in detail.

The database does the work, so a page costs the same few milliseconds with ten participants or ten
thousand. Who is online comes from the last look at Flower. It changes nothing but the note of an
admin. What a query may ask is in `query.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import InvalidInput, NotFound
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.services.options import Options, PartitionUse
from blossomtune_gradio.services.review.query import Query, conditions, order
from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.services.sites.service import Look, SiteService
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import AuditEntry, NodeKey, Participant, SiteReport
from blossomtune_gradio.store.models import ParticipantStatus as Status

MOST_ROWS = 100  # of a page
_LONGEST_NOTE = 2000  # characters
_HISTORY = 100  # entries


@dataclass(frozen=True, kw_only=True)
class DirectoryRow:
    """One row: the participant and how their site is seen."""

    row: Participant
    presence: Presence | None  # None unless approved
    last_seen: datetime | None
    rounds: int
    received: int  # bytes from the site, over all its keys
    sent: int  # bytes to the site


@dataclass(frozen=True, kw_only=True)
class DirectoryPage:
    """A page of rows, and what the controls around it show."""

    people: list[DirectoryRow]
    total: int  # rows that fit the query
    page: int  # the number of this page, within the bounds there are
    size: int
    counts: dict[str, int]  # by status, over everybody
    presences: dict[str, int]  # by presence, over the approved
    partitions: PartitionUse


@dataclass(frozen=True, kw_only=True)
class Details:
    """Everything about one participant."""

    person: DirectoryRow
    keys: list[NodeKey]
    report: SiteReport | None
    history: list[AuditEntry]  # newest first
    partitions: PartitionUse


class Directory:
    """Looks participants up, for admins."""

    def __init__(self, database: Database, options: Options, sites: SiteService) -> None:
        self._database, self._options, self._sites = database, options, sites

    def page(self, by: User, query: Query) -> DirectoryPage:
        """The rows that fit, a page of them.

        Raises:
            InvalidInput: the query names a view, status, presence or column there is not.
        """
        require(by, Role.ADMIN, "see the participants")
        wanted, size = conditions(query, self._sites.look(by)), max(1, min(query.size, MOST_ROWS))
        with self._database.read() as session:
            total = session.scalar(select(func.count(Participant.id)).where(*wanted)) or 0
            number = max(0, min(query.page, (total - 1) // size))
            rows = session.scalars(
                select(Participant)
                .where(*wanted)
                .order_by(*order(query))
                .offset(number * size)
                .limit(size)
            ).all()
            return DirectoryPage(
                people=self._people(session, list(rows), self._sites.look(by)),
                total=total,
                page=number,
                size=size,
                counts=_counts(session),
                presences=self._presences(session, by),
                partitions=self._options.partition_use(session),
            )

    def details(self, by: User, participant_id: int) -> Details:
        """One participant with keys, newest preflight and history."""
        require(by, Role.ADMIN, "see the participants")
        with self._database.read() as session:
            row = _get(session, participant_id)
            keys = session.scalars(
                select(NodeKey)
                .where(NodeKey.participant_id == row.id)
                .order_by(NodeKey.added_at.desc())
            )
            history = session.scalars(
                select(AuditEntry)
                .where(AuditEntry.target == f"participant:{row.id}")
                .order_by(AuditEntry.id.desc())
                .limit(_HISTORY)
            )
            return Details(
                person=self._people(session, [row], self._sites.look(by))[0],
                keys=list(keys),
                report=session.get(SiteReport, row.id),
                history=list(history),
                partitions=self._options.partition_use(session),
            )

    def set_note(self, by: User, participant_id: int, note: str) -> Participant:
        """Keep what admins should know; the participant never sees it.

        Raises:
            InvalidInput: it has more than 2000 characters.
        """
        require(by, Role.ADMIN, "write notes")
        note = note.strip()
        if len(note) > _LONGEST_NOTE:
            raise InvalidInput(
                f"A note has at most {_LONGEST_NOTE} characters, this has {len(note)}. Shorten it."
            )
        with self._database.write() as session:
            row = _get(session, participant_id)
            if row.note != note:
                before, row.note = row.note, note
                record(
                    session,
                    by,
                    "participant.note",
                    f"participant:{row.id}",
                    target_name=row.site,
                    before={"note": before},
                    after={"note": note},
                )
        return row

    # -- inside ----------------------------------------------------------------------------

    def _people(self, session: Session, rows: list[Participant], look: Look) -> list[DirectoryRow]:
        keys: dict[int, list[NodeKey]] = {row.id: [] for row in rows}
        for key in session.scalars(select(NodeKey).where(NodeKey.participant_id.in_(keys))):
            keys[key.participant_id].append(key)
        return [_person(row, keys[row.id], look) for row in rows]

    def _presences(self, session: Session, by: User) -> dict[str, int]:
        look, found = self._sites.look(by), {word.value: 0 for word in Presence}
        query = (
            select(NodeKey.node_id)
            .select_from(Participant)
            .outerjoin(
                NodeKey,
                (NodeKey.participant_id == Participant.id) & NodeKey.retired_at.is_(None),
            )
            .where(Participant.status_word == Status.APPROVED.value)
        )
        for node_id in session.scalars(query):
            word = look.presence(node_id is not None, node_id or "")
            found[word.value] += 1
        return found


def _person(row: Participant, keys: list[NodeKey], look: Look) -> DirectoryRow:
    live = next((key for key in keys if key.retired_at is None), None)
    approved = row.status is Status.APPROVED
    node_id = live.node_id if live else ""
    return DirectoryRow(
        row=row,
        presence=look.presence(live is not None, node_id) if approved else None,
        last_seen=look.last_seen(node_id)
        or max((k.seen_at for k in keys if k.seen_at), default=None),
        rounds=sum(key.rounds for key in keys),
        received=sum(key.bytes_received for key in keys),
        sent=sum(key.bytes_sent for key in keys),
    )


def _counts(session: Session) -> dict[str, int]:
    query = select(Participant.status_word, func.count()).group_by(Participant.status_word)
    found = {str(row[0]): int(row[1]) for row in session.execute(query)}
    return {status.value: found.get(status.value, 0) for status in Status}


def _get(session: Session, participant_id: int) -> Participant:
    row = session.get(Participant, participant_id) if 0 < participant_id < 2**63 else None
    if row is None:
        raise NotFound("This participant does not exist (any more). Reload the page.")
    return row
