"""How somebody who asked for access looks: a request for programs, a row for admins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from blossomtune_gradio.services.review.directory import Details, DirectoryPage, DirectoryRow
from blossomtune_gradio.services.sites.reconciler import Drift
from blossomtune_gradio.store.models import PARTICIPANT_MOVES, Participant
from blossomtune_gradio.store.models import ParticipantStatus as Status
from blossomtune_gradio.views.audit import HistoryRow
from blossomtune_gradio.views.base import From, Moment, Tone, View, Word, right_now
from blossomtune_gradio.views.report import ReportView
from blossomtune_gradio.views.site import PRESENCE

STATUS: Mapping[Status, Word] = {
    Status.REQUESTED: Word("e-mail not proven", "off"),
    Status.CONFIRMED: Word("waiting", "busy"),
    Status.APPROVED: Word("approved", "good"),
    Status.DENIED: Word("denied", "off"),
    Status.REVOKED: Word("revoked", "off"),
    Status.WITHDRAWN: Word("withdrawn", "off"),
}
_DECISIONS = {"approve": Status.APPROVED, "deny": Status.DENIED, "revoke": Status.REVOKED}


class RequestView(View):
    """One request for access."""

    id: int
    site: str
    email: str
    organisation: str
    message: str
    status: Annotated[
        Literal["requested", "confirmed", "approved", "denied", "revoked", "withdrawn"],
        From("status_word"),
    ]
    partition: Annotated[int | None, From("partition_id")]
    reason: str
    requested_at: datetime
    changed_at: datetime
    decided_by: Annotated[str, From(lambda row: row.decided_name or row.decided_by)]


class OwnRequest(View):
    """What somebody reads of their own request."""

    site: str
    email: str
    organisation: str
    since: Annotated[Moment, From("changed_at")]
    reason: str
    decided_by: Annotated[str, From("decided_name")]


class PersonRow(View):
    """One participant in the table of the admins."""

    id: int
    site: str
    email: str
    organisation: str
    status: Annotated[str, From(lambda row: STATUS[row.status].text)]
    tone: Annotated[Tone, From(lambda row: STATUS[row.status].tone)]
    since: Annotated[Moment, From(lambda row: _since(row))]
    partition: Annotated[int | None, From("partition_id")]
    presence: str
    presence_tone: Tone
    last_seen: Moment
    rounds: int
    received: int
    sent: int
    words: Annotated[str, From(lambda row: row.reason or row.message)]
    note: str
    can: Annotated[list[str], From(lambda row: _can(row))]
    has_kit: Annotated[bool, From(lambda row: row.status is Status.APPROVED)]


class KeyRow(View):
    """One key a site handed in."""

    fingerprint: str
    node: Annotated[str, From("node_id")]
    added: Annotated[Moment, From("added_at")]
    retired: Annotated[Moment, From("retired_at")]


class PartitionsRow(View):
    """How many data partitions there are and have an owner, and the lowest that has none."""

    total: int
    assigned: int
    free: Annotated[int | None, From("lowest_free")]


class PersonDetails(PersonRow):
    """Everything that is known about one participant."""

    person: Annotated[str, From("username")]
    account: Annotated[str, From("user_id")]
    message: str
    data: str
    requested: Annotated[Moment, From("requested_at")]
    changed: Annotated[Moment, From("changed_at")]
    decided_by: Annotated[str, From(lambda row: row.decided_name or row.decided_by)]
    reason: str
    keys: list[KeyRow]
    report: ReportView | None
    history: list[HistoryRow]
    partitions: PartitionsRow
    now: str


class DriftRow(View):
    """Where Flower differs from what was decided."""

    text: str
    at: Moment


class PeoplePage(View):
    """One page of the table and what stands around it."""

    view: str
    rows: list[PersonRow]
    total: int
    page: int
    size: int
    counts: dict[str, int]
    presences: dict[str, int]
    partitions: Annotated[PartitionsRow, From(lambda page: PartitionsRow.of(page.partitions))]
    drift: list[DriftRow]
    now: str


def people_page(page: DirectoryPage, view: str, drift: list[Drift]) -> dict[str, Any]:
    """For the script of the table."""
    return PeoplePage.of(
        page,
        view=view,
        rows=[PersonRow.of(one.row, **_seen(one)) for one in page.people],
        drift=[DriftRow.of(one) for one in drift[:5]],
        now=right_now(),
    ).to_json()


def person_details(details: Details) -> dict[str, Any]:
    """For the script of the drawer."""
    return PersonDetails.of(
        details.person.row,
        **_seen(details.person),
        keys=[KeyRow.of(key) for key in details.keys],
        report=ReportView.of(details.report) if details.report else None,
        history=[HistoryRow.of(entry) for entry in details.history],
        partitions=PartitionsRow.of(details.partitions),
        now=right_now(),
    ).to_json()


def _seen(person: DirectoryRow) -> dict[str, object]:
    """How the site of this person is seen; no word for one that is not approved."""
    word = PRESENCE[person.presence] if person.presence else Word("", "off")
    return {
        "presence": word.text,
        "presence_tone": word.tone,
        "last_seen": person.last_seen,
        "rounds": person.rounds,
        "received": person.received,
        "sent": person.sent,
    }


def _since(row: Participant) -> datetime:
    return row.requested_at if row.status is Status.REQUESTED else row.changed_at


def _can(row: Participant) -> list[str]:
    return [word for word, new in _DECISIONS.items() if new in PARTICIPANT_MOVES[row.status]]
