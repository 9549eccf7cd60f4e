"""Who is known, who takes part, and with which key."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, event, text
from sqlalchemy.orm import Mapped, mapped_column

from blossomtune_gradio.store.models.base import Base, Large, moved, now


class ParticipantStatus(StrEnum):
    """Where somebody stands on the way to a connected site."""

    REQUESTED = "requested"  # code e-mailed, mailbox not yet proven
    CONFIRMED = "confirmed"  # code came back; waits for an admin
    APPROVED = "approved"  # owns a partition, may connect a SuperNode
    DENIED = "denied"  # refused by an admin
    REVOKED = "revoked"  # was approved, is cut off
    WITHDRAWN = "withdrawn"  # left by themselves


_P = ParticipantStatus
PARTICIPANT_MOVES: Mapping[ParticipantStatus, set[ParticipantStatus]] = {
    _P.REQUESTED: {_P.CONFIRMED, _P.DENIED, _P.WITHDRAWN},
    _P.CONFIRMED: {_P.APPROVED, _P.DENIED, _P.WITHDRAWN},
    _P.APPROVED: {_P.REVOKED, _P.WITHDRAWN},
    _P.DENIED: {_P.REQUESTED},
    _P.REVOKED: {_P.REQUESTED},
    _P.WITHDRAWN: {_P.REQUESTED},
}
LIVE = (_P.REQUESTED, _P.CONFIRMED, _P.APPROVED)
"""States of a request that is alive: it holds its name and address."""
_IS_LIVE = text("status IN ('requested', 'confirmed', 'approved')")


class Account(Base):
    """Somebody who signed in at least once. A row for ever: roles are pinned to it."""

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(primary_key=True)  # "hf:1234": provider and subject
    provider: Mapped[str]
    username: Mapped[str]  # as the provider called them last; it may change
    name: Mapped[str] = mapped_column(default="")
    email: Mapped[str] = mapped_column(default="")  # only if the provider has verified it
    organisations: Mapped[list[str]] = mapped_column(default=list)  # subjects: "hf-org:5678"
    is_researcher: Mapped[bool] = mapped_column(default=False)  # granted by an admin on the page
    first_seen: Mapped[datetime] = mapped_column(default=now)
    last_seen: Mapped[datetime] = mapped_column(default=now)


class RolePin(Base):
    """A name from the settings and the one account or organisation it stands for, once seen."""

    __tablename__ = "role_pins"

    entry: Mapped[str] = mapped_column(primary_key=True)  # "hf:ada", "hf-org:blossom-lab"
    subject: Mapped[str]  # "hf:1234", "hf-org:5678": what the provider never gives to another
    pinned_at: Mapped[datetime] = mapped_column(default=now)


class SignIn(Base):
    """One session of one browser. Deleting the row ends it, whatever the cookie says."""

    __tablename__ = "sign_ins"

    id_hash: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    began_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]


class Participant(Base):
    """Somebody who asked to bring a site, from the first request to the last revocation."""

    __tablename__ = "participants"
    __table_args__ = (  # one live request per site name and per address
        Index(
            "uq_live_site", "site", unique=True, sqlite_where=_IS_LIVE, postgresql_where=_IS_LIVE
        ),
        Index(
            "uq_live_email", "email", unique=True, sqlite_where=_IS_LIVE, postgresql_where=_IS_LIVE
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(unique=True)  # "hf:1234", never the mutable name
    username: Mapped[str] = mapped_column(default="")  # for people, as it was when they asked
    site: Mapped[str]  # the name people know the site by
    email: Mapped[str]  # normalised
    organisation: Mapped[str] = mapped_column(default="")
    message: Mapped[str] = mapped_column(default="")
    data: Mapped[str] = mapped_column(default="")  # what data they bring, in their words
    note: Mapped[str] = mapped_column(default="")  # of the admins, for admins only
    status_word: Mapped[str] = mapped_column("status", default=_P.REQUESTED.value, index=True)
    partition_id: Mapped[int | None] = mapped_column(unique=True)
    code_hash: Mapped[str] = mapped_column(default="")
    code_sent_at: Mapped[datetime | None]
    code_expires_at: Mapped[datetime | None]
    code_tries: Mapped[int] = mapped_column(default=0)
    token_hash: Mapped[str | None] = mapped_column(unique=True)
    token_expires_at: Mapped[datetime | None]
    requested_at: Mapped[datetime] = mapped_column(default=now)
    changed_at: Mapped[datetime] = mapped_column(default=now, index=True)
    decided_by: Mapped[str] = mapped_column(default="")  # id of a user
    decided_name: Mapped[str] = mapped_column(default="")  # the same person, for people
    reason: Mapped[str] = mapped_column(default="")
    search_text: Mapped[str] = mapped_column(default="")  # what a search looks at, see `folded`

    @property
    def status(self) -> ParticipantStatus:
        """The state, as one of the words of the table above."""
        return ParticipantStatus(self.status_word)

    def move_to(
        self, new: ParticipantStatus, by: str = "", reason: str = "", by_name: str = ""
    ) -> None:
        """Change state, or raise `NotPossible`."""
        self.status_word = moved(f"The site {self.site}", self.status, new, PARTICIPANT_MOVES)
        self.changed_at, self.decided_by, self.reason = now(), by, reason
        self.decided_name = by_name


def folded(words: str) -> str:
    """`words` as a search compares them: neither capitals nor accents matter."""
    letters = unicodedata.normalize("NFKD", words.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


@event.listens_for(Participant, "before_insert")
@event.listens_for(Participant, "before_update")
def _keep_searchable(_mapper: object, _connection: object, row: Participant) -> None:
    said = (row.site, row.email, row.organisation, row.username, row.note)
    row.search_text = folded("\n".join(word or "" for word in said))


class NodeKey(Base):
    """A public key a site handed in. Flower never takes a retired key back, so rows stay."""

    __tablename__ = "node_keys"

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participants.id"), index=True)
    pem: Mapped[str]
    node_id: Mapped[str] = mapped_column(default="")  # Flower's, a uint64 in decimal
    added_at: Mapped[datetime] = mapped_column(default=now)
    retired_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]  # last sign of life, written down once a minute
    lost_at: Mapped[datetime | None]  # told that it is gone; empty again once it is back
    bytes_received: Mapped[int] = mapped_column(Large, default=0)  # from the site
    bytes_sent: Mapped[int] = mapped_column(Large, default=0)  # to the site
    requests: Mapped[int] = mapped_column(default=0)
    rounds: Mapped[int] = mapped_column(default=0)  # good answers to *train*


class SiteReport(Base):
    """What `join.py` last told of its machine: the newest preflight of each site."""

    __tablename__ = "site_reports"

    participant_id: Mapped[int] = mapped_column(ForeignKey("participants.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now)
    good: Mapped[bool]
    report: Mapped[dict[str, Any]]  # {"checks": [{"name", "ok", "sentence"}], "versions": {...}}
