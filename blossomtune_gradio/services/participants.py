"""Who takes part: from the request for access to the last revocation.

Each call is one transaction and checks the caller's rights itself. It talks to no process and no
network: a code goes into the outbox, and what a change means for Flower is the reconciler's work
(`on_change` wakes it). Surprise: a person keeps their row for ever; a new request reuses it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import InvalidInput, NotFound, NotPossible
from blossomtune_gradio.identity import Role, User, require, require_owner
from blossomtune_gradio.services import activation
from blossomtune_gradio.services.audit import record
from blossomtune_gradio.services.options import Options
from blossomtune_gradio.services.outbox import Outbox
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import LIVE, NodeKey, Participant, now
from blossomtune_gradio.store.models import ParticipantStatus as Status

_EMAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]+")
_SITE = re.compile(r"[\w][\w .()&'/-]{0,63}")


class ParticipantService:
    """All moves of a participant."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        options: Options,
        outbox: Outbox,
        on_change: Callable[[], None],
    ) -> None:
        self._database, self._settings, self._options = database, settings, options
        self._outbox, self._on_change = outbox, on_change

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
            InvalidInput: the site's name or the address cannot be used.
            NotPossible: the person, the name or the address has a request that is alive.
        """
        require(user, Role.PARTICIPANT, "ask for access")
        site, email = _checked_site(site), _checked_email(email)
        try:
            with self._database.write() as session:
                self._require_room(session)
                row = session.scalar(select(Participant).where(Participant.user_id == user.id))
                if row is None:
                    row = Participant(user_id=user.id, site=site, email=email)
                    session.add(row)
                else:
                    row.move_to(Status.REQUESTED, by=user.id, by_name=user.name)
                    row.site, row.email, row.requested_at = site, email, now()
                row.username, row.data = user.name, data.strip()[:2000]
                row.organisation, row.message = organisation.strip()[:200], message.strip()[:2000]
                self._mail_code(session, row)
                _note(session, user, "request", row)
        except IntegrityError as error:
            raise NotPossible(
                "This site name or e-mail address is taken by another request. Choose another, "
                "or ask the admin."
            ) from error
        return row

    def confirm(self, user: User, code: str) -> Participant:
        """Prove the e-mail address with the mailed code.

        Raises:
            InvalidInput: wrong, used or expired code; the sentence is the same for each.
        """
        require(user, Role.PARTICIPANT, "confirm an address")
        with self._database.write() as session:
            row = session.scalar(select(Participant).where(Participant.user_id == user.id))
            good = row is not None and _code_is_good(row, code)
            if row is not None and good:
                row.move_to(Status.CONFIRMED, by=user.id, by_name=user.name)
                row.code_hash, row.code_expires_at = "", None
                _note(session, user, "confirm", row)
            elif row is not None:
                row.code_tries += 1  # committed: a wrong try must count
        if row is None or not good:
            raise InvalidInput(
                "This code is not valid (any more). Ask for a new one.", field="code"
            )
        return row

    def resend(self, user: User) -> Participant:
        """Mail a fresh code; the one before stops working.

        Raises:
            NotFound: the person has not asked for access.
            NotPossible: the address is proven already, or it is too early; told with the seconds.
        """
        require(user, Role.PARTICIPANT, "ask for a new code")
        with self._database.write() as session:
            row = _own(session, user)
            if row.status is not Status.REQUESTED:
                raise NotPossible(f"{row.site} is {row.status}; it needs no code.")
            if wait := _seconds_to_wait(row):
                raise NotPossible(f"A code was mailed just now. Ask again in {wait} seconds.")
            self._mail_code(session, row)
            _note(session, user, "resend", row)
        return row

    def resend_wait(self, user: User) -> int:
        """Seconds until `resend` is allowed; 0 is now (or never, when no code is needed)."""
        row = self.mine(user)
        return _seconds_to_wait(row) if row and row.status is Status.REQUESTED else 0

    def withdraw(self, user: User) -> Participant:
        """Leave by oneself: the request ends, an approved site is cut off.

        Raises:
            NotFound: the person has not asked for access.
            NotPossible: the request has ended already.
        """
        require(user, Role.PARTICIPANT, "withdraw")
        with self._database.write() as session:
            row = _own(session, user)
            row.move_to(Status.WITHDRAWN, by=user.id, by_name=user.name)
            _cut_off(session, row)
            _note(session, user, "withdraw", row)
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
                row = _get(session, participant_id)
                total = self._options.partitions(session)
                if partition_id is None:
                    partition_id = _lowest_free(session, total)
                if not 0 <= partition_id < total:
                    raise InvalidInput(
                        f"Partition {partition_id} does not exist: the federation has {total}, "
                        f"numbered from 0 to {total - 1}."
                    )
                row.move_to(Status.APPROVED, by=by.id, by_name=by.name)
                row.partition_id = partition_id
                session.flush()  # the constraint speaks before the mail is written
                self._outbox.put(
                    session, "approved", row.email, site=row.site, partition=partition_id
                )
                _note(session, by, "approve", row, partition=partition_id)
        except IntegrityError as error:
            raise NotPossible(
                f"Partition {partition_id} was given to another site. Choose another one."
            ) from error
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
            row = _get(session, participant_id)
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
        with self._database.write() as session:
            row = _get(session, participant_id)
            row.move_to(new, by=by.id, reason=reason.strip(), by_name=by.name)
            _cut_off(session, row)
            self._outbox.put(session, new.value, row.email, site=row.site, reason=row.reason)
            _note(session, by, "deny" if new is Status.DENIED else "revoke", row, reason=row.reason)
        self._on_change()
        return row

    def _require_room(self, session: Session) -> None:
        alive = session.scalar(
            select(func.count())
            .select_from(Participant)
            .where(Participant.status_word.in_([s.value for s in LIVE]))
        )
        if (alive or 0) >= self._settings.max_participants:
            raise NotPossible("The federation is full. Ask the admin to make room.")

    def _mail_code(self, session: Session, row: Participant) -> None:
        code = activation.new_code()
        row.code_hash, row.code_tries = activation.digest(code), 0
        row.code_expires_at = now() + activation.CODE_LIFETIME
        row.code_sent_at = now()
        self._outbox.put(
            session,
            "code",
            row.email,
            site=row.site,
            code=f"{code[:4]}-{code[4:]}",
            minutes=int(activation.CODE_LIFETIME.total_seconds() // 60),
        )


def _own(session: Session, user: User) -> Participant:
    row = session.scalar(select(Participant).where(Participant.user_id == user.id))
    if row is None:
        raise NotFound("You have not asked for access yet.")
    return row


def _seconds_to_wait(row: Participant) -> int:
    if row.code_sent_at is None:
        return 0
    left = row.code_sent_at + activation.RESEND_AFTER - now()
    return max(0, math.ceil(left.total_seconds()))


def _cut_off(session: Session, row: Participant) -> None:
    """Take back partition, token and code, and retire the keys: the reconciler does the rest."""
    row.partition_id = row.token_hash = row.token_expires_at = None
    row.code_hash, row.code_expires_at = "", None
    for key in session.scalars(
        select(NodeKey).where(NodeKey.participant_id == row.id, NodeKey.retired_at.is_(None))
    ):
        key.retired_at = now()


def _note(session: Session, by: User, verb: str, row: Participant, **after: object) -> None:
    session.flush()  # a new row has its number from now on
    record(
        session,
        by,
        f"participant.{verb}",
        f"participant:{row.id}",
        target_name=row.site,
        after={"status": row.status_word, **after},
    )


def _code_is_good(row: Participant, code: str) -> bool:
    in_time = row.code_expires_at is not None and now() < row.code_expires_at
    fits = activation.matches(code, row.code_hash or activation.digest(""))
    return fits and in_time and row.code_tries < activation.CODE_TRIES and bool(row.code_hash)


def _get(session: Session, participant_id: int) -> Participant:
    row = session.get(Participant, participant_id)
    if row is None:
        raise NotFound("This participant does not exist (any more). Reload the page.")
    return row


def _lowest_free(session: Session, total: int) -> int:
    taken = set(session.scalars(select(Participant.partition_id)))
    for candidate in range(total):
        if candidate not in taken:
            return candidate
    raise NotPossible(
        f"All {total} partitions have an owner. Raise the number of partitions or revoke a site."
    )


def _checked_site(text: str) -> str:
    name = " ".join(text.split())
    if not _SITE.fullmatch(name):
        raise InvalidInput(
            "A site name has 1 to 64 letters, digits, blanks or any of . ( ) & ' / - _ and "
            "starts with a letter or digit.",
            field="site",
        )
    return name


def _checked_email(text: str) -> str:
    address = text.strip().lower()
    if len(address) > 254 or not _EMAIL.fullmatch(address):
        raise InvalidInput(
            "This is not one e-mail address. Write it like ada@example.org.", field="email"
        )
    return address
