"""What an admin may look for among the participants, as conditions and an order for the database.

A `Query` is built from what a browser sent, so nothing in it is believed: words are compared with
lists, a search is a bound value. Surprise: what is searched is a column of its own, folded when the
row was written, because databases disagree about capitals outside ASCII.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, false, func, select

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.services.sites.service import Look
from blossomtune_gradio.store.models import NodeKey, Participant, folded
from blossomtune_gradio.store.models import ParticipantStatus as Status

REQUESTS, SITES = "requests", "sites"
VIEWS: Mapping[str, tuple[Status, ...]] = {  # in the order they are shown
    REQUESTS: (Status.CONFIRMED, Status.REQUESTED, Status.DENIED, Status.WITHDRAWN),
    SITES: (Status.APPROVED, Status.REVOKED),
}
PRESENCES = (Presence.ONLINE, Presence.OFFLINE, Presence.REGISTERED, Presence.NO_KEY)
_MOST_WORDS, _LONGEST_SEARCH = 8, 200
SORTS: Mapping[str, Any] = {
    "site": Participant.site,
    "email": Participant.email,
    "organisation": Participant.organisation,
    "partition": Participant.partition_id,
    "requested": Participant.requested_at,
    "changed": Participant.changed_at,
}


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is looked for. Built from what a browser sent, so `Directory` checks every field."""

    view: str = REQUESTS
    search: str = ""
    status: str = ""  # one word of the view, or all
    presence: str = ""  # one of PRESENCES, or any
    sort: str = ""  # one of SORTS; empty: who waits for us comes first
    descending: bool = False
    page: int = 0
    size: int = 25


def conditions(query: Query, look: Look) -> list[ColumnElement[bool]]:
    """What a row must fulfil.

    Raises:
        InvalidInput: the query names a view, status or presence there is not.
    """
    statuses = [status.value for status in VIEWS.get(query.view, ())]
    if not statuses or (query.status and query.status not in statuses):
        raise InvalidInput("There is no such list of participants. Reload the page.")
    chosen = [query.status] if query.status else statuses
    wanted: list[ColumnElement[bool]] = [Participant.status_word.in_(chosen)]
    for word in folded(query.search[:_LONGEST_SEARCH]).split()[:_MOST_WORDS]:
        wanted.append(Participant.search_text.contains(word, autoescape=True))
    if query.presence:
        wanted.append(_is_seen_as(query.presence, look))
    return wanted


def order(query: Query) -> list[Any]:
    """As asked, or who waits longest first; the number makes every order a whole one.

    Raises:
        InvalidInput: there is no such column.
    """
    if query.sort == "":
        places = {status.value: place for place, status in enumerate(VIEWS[query.view])}
        status = case(places, value=Participant.status_word)
        return [status, Participant.partition_id, Participant.changed_at, Participant.id]
    if query.sort not in SORTS:
        raise InvalidInput("The table has no such column. Reload the page.")
    column = SORTS[query.sort]
    by_letter = func.lower(column) if query.sort in ("site", "email", "organisation") else column
    wanted = by_letter.desc() if query.descending else by_letter.asc()
    return [wanted.nulls_last(), Participant.id]


def _is_seen_as(presence: str, look: Look) -> ColumnElement[bool]:
    if presence not in PRESENCES:
        raise InvalidInput("There is no such state of a connection. Reload the page.")
    approved = Participant.status_word == Status.APPROVED.value
    live = select(NodeKey.participant_id).where(NodeKey.retired_at.is_(None))
    if presence == Presence.NO_KEY:
        return approved & Participant.id.not_in(live)
    if look.at is None:
        return false()
    seen = live.where(NodeKey.node_id.in_(_nodes(look, presence)))
    if presence == Presence.REGISTERED:  # also a key that Flower does not list yet
        others = [n for word in (Presence.ONLINE, Presence.OFFLINE) for n in _nodes(look, word)]
        seen = live.where(NodeKey.node_id.not_in(others))
    return approved & Participant.id.in_(seen)


def _nodes(look: Look, status: str) -> list[str]:
    return [str(number) for number, node in look.nodes.items() if node.status == status]
