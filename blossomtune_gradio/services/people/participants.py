"""Who takes part: from the request for access to the last revocation.

Each call is one transaction and checks the caller's rights itself. It talks to no process and no
network: a code goes into the outbox, and what a change means for Flower is the reconciler's work
(`on_change` wakes it). Surprise: a person keeps their row for ever; a new request reuses it.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from blossomtune_gradio.errors import NotPossible
from blossomtune_gradio.identity import Role, User, require, require_owner
from blossomtune_gradio.services.addresses import (
    REASON_LENGTH,
    checked_email,
    checked_line,
    checked_site,
    checked_text,
    shown_name,
)
from blossomtune_gradio.services.audit.refusals import Refusals
from blossomtune_gradio.services.notices.outbox import USED, Outbox
from blossomtune_gradio.services.options import Options
from blossomtune_gradio.services.people.codes import Codes, not_valid
from blossomtune_gradio.services.people.limits import Limits
from blossomtune_gradio.services.people.rows import (
    cut_off,
    free_partition,
    get_row,
    introduction,
    move,
    note,
    own_row,
    release_unproven,
    require_free_name,
    require_room,
)
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import LIVE, Participant, now
from blossomtune_gradio.store.models import ParticipantStatus as Status


class ParticipantService:
    """All moves of a participant."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        options: Options,
        outbox: Outbox,
        on_change: Callable[[], None],
        limits: Limits | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        """`refusals` counts codes that do not fit."""
        self._database, self._settings, self._options = database, settings, options
        self._outbox, self._on_change = outbox, on_change
        self._codes, self._refusals = Codes(outbox, limits), refusals

    def request_access(
        self,
        user: User,
        site: str,
        email: str,
        organisation: str = "",
        message: str = "",
        data: str = "",
    ) -> Participant:
        """Save the request and put a mail with a fresh code into the outbox.

        Raises:
            InvalidInput: one of the texts cannot be used; `field` says which.
            NotPossible: the person, the name or the address has a request that is alive, the
                federation is full, or the person asked too often.
        """
        require(user, Role.PARTICIPANT, "ask for access")
        site, email = checked_site(site), checked_email(email)
        organisation = checked_line(organisation, "organisation")
        message, data = checked_text(message, "message"), checked_text(data, "data")
        self._codes.take(user, email)  # a refused request counts: nobody tries addresses here
        try:
            with self._database.write() as session:
                release_unproven(session, user, site, email)
                require_free_name(session, user, site)
                row = session.scalar(select(Participant).where(Participant.user_id == user.id))
                if row is None:
                    row = Participant(user_id=user.id, site=site, email=email)
                    require_room(session, self._settings.max_participants)
                    session.add(row)
                elif row.status in LIVE:
                    raise NotPossible(
                        f"You have asked for access already: {row.site} is {row.status}. "
                        "Withdraw that request before you make another."
                    )
                else:
                    require_room(session, self._settings.max_participants)
                    move(row, Status.REQUESTED, user)
                    row.site, row.email, row.requested_at = site, email, now()
                row.username, row.organisation = shown_name(user.name), organisation
                row.message, row.data = message, data
                self._codes.mail(session, row)
                note(session, user, "request", row)
        except IntegrityError as error:
            raise NotPossible(
                "This site name or e-mail address is taken by another request. Choose another, "
                "or ask the admin."
            ) from error
        return row

    def confirm(self, user: User, code: str) -> Participant:
        """Prove the e-mail address with the mailed code, and tell the admins.

        Raises:
            InvalidInput: wrong, used, expired or foreign code; a wrong one tells the tries left.
            TooOften: too many codes were tried by this person or from their client.
        """
        require(user, Role.PARTICIPANT, "confirm an address")
        self._codes.take_guess(user)
        with self._database.write() as session:
            row = session.scalar(select(Participant).where(Participant.user_id == user.id))
            good = self._codes.fits(row, code)  # committed in any case: a wrong try must count
            if row is not None and good:
                move(row, Status.CONFIRMED, user)
                self._codes.forget(session, row, USED)
                self._outbox.put_to_admins(session, "waiting", **introduction(row))
                note(session, user, "confirm", row)
        if row is None or not good:
            if self._refusals:
                target = f"participant:{row.id if row else 'none'}"
                self._refusals.note("participant.code_refused", user, "a wrong code", target)
            raise not_valid(row)
        return row

    def resend(self, user: User) -> Participant:
        """Mail a fresh code; the one before stops working.

        Raises:
            NotFound: the person has not asked for access.
            NotPossible: the address is proven already, or it is too early; told with the seconds.
        """
        require(user, Role.PARTICIPANT, "ask for a new code")
        with self._database.write() as session:
            row = own_row(session, user)
            self._codes.mail_again(session, user, row)
            note(session, user, "resend", row)
        return row

    def resend_wait(self, user: User) -> int:
        """Seconds until `resend` is allowed; 0 is now (or never, when no code is needed)."""
        row = self.mine(user)
        return self._codes.wait(user, row) if row else 0

    def withdraw(self, user: User) -> Participant:
        """Leave by oneself: the request ends, an approved site is cut off.

        Raises:
            NotFound: the person has not asked for access.
            NotPossible: the request has ended already.
        """
        require(user, Role.PARTICIPANT, "withdraw")
        with self._database.write() as session:
            row = own_row(session, user)
            was_known = row.status is not Status.REQUESTED  # to the admins
            move(row, Status.WITHDRAWN, user)
            cut_off(session, row)
            self._codes.forget(session, row)
            if was_known:
                self._outbox.put_to_admins(session, "withdrawn", **introduction(row))
            note(session, user, "withdraw", row)
        self._on_change()
        return row

    def mine(self, user: User) -> Participant | None:
        """The person's own row, whatever its state; None before the first request."""
        require(user, Role.PARTICIPANT, "see their request")
        with self._database.read() as session:
            return session.scalar(select(Participant).where(Participant.user_id == user.id))

    def approve(
        self, participant_id: int, by: User, partition_id: int | None = None
    ) -> Participant:
        """Give the participant a data partition of their own; the lowest free one by default.

        Raises:
            InvalidInput: the partition does not exist.
            NotPossible: the state does not allow it, or the partition has an owner.
        """
        require(by, Role.ADMIN, "approve participants")
        try:
            with self._database.write() as session:
                row = get_row(session, participant_id)
                if row.status is Status.CONFIRMED:
                    require_room(session, self._settings.max_participants, Status.APPROVED)
                    total = self._options.partitions(session)
                    partition_id = free_partition(session, total, partition_id)
                move(row, Status.APPROVED, by)
                row.partition_id = partition_id
                session.flush()  # the constraint speaks before the mail is written
                self._outbox.put(
                    session, "approved", row.email, site=row.site, partition=partition_id
                )
                note(session, by, "approve", row, partition=partition_id)
        except IntegrityError as error:
            taken = f"Partition {partition_id} was given to another site. Choose another one."
            raise NotPossible(taken) from error
        self._on_change()
        return row

    def deny(self, participant_id: int, by: User, reason: str = "") -> Participant:
        """Refuse a request."""
        return self._end(participant_id, by, Status.DENIED, reason)

    def revoke(self, participant_id: int, by: User, reason: str = "") -> Participant:
        """Cut an approved site off; its key can never come back."""
        return self._end(participant_id, by, Status.REVOKED, reason)

    def get(self, participant_id: int, by: User) -> Participant:
        """One participant, for the owner or an admin."""
        with self._database.read() as session:
            row = get_row(session, participant_id)
        require_owner(by, row.user_id, "see this participant")
        return row

    def list(self, by: User, *statuses: Status) -> list[Participant]:
        """All participants in the given states (none given: all), newest change first."""
        require(by, Role.ADMIN, "see the participants")
        query = select(Participant).order_by(Participant.changed_at.desc())
        if statuses:
            query = query.where(Participant.status_word.in_([s.value for s in statuses]))
        with self._database.read() as session:
            return list(session.scalars(query))

    def _end(self, participant_id: int, by: User, new: Status, reason: str) -> Participant:
        require(by, Role.ADMIN, "deny or revoke participants")
        reason = checked_text(reason, "reason", REASON_LENGTH)
        with self._database.write() as session:
            row = get_row(session, participant_id)
            move(row, new, by, reason)
            cut_off(session, row)
            self._codes.forget(session, row)
            self._outbox.put(session, new.value, row.email, site=row.site, reason=row.reason)
            note(session, by, "deny" if new is Status.DENIED else "revoke", row, reason=row.reason)
        self._on_change()
        return row
