"""The code that proves a mailbox: mailed, mailed again, checked.

Works on a participant's row inside the transaction of the service that calls it. Only a hash is
kept with the row. Surprise: whoever guesses learns nothing of others: a foreign code and a wrong
one give the same answer, and so do no row, no code, a used and an expired one.
"""

from __future__ import annotations

import math

from sqlalchemy.orm import Session

from blossomtune_gradio.errors import InvalidInput, NotPossible
from blossomtune_gradio.identity import User
from blossomtune_gradio.services.notices.outbox import NOT_NEEDED, REPLACED, Outbox
from blossomtune_gradio.services.people import activation
from blossomtune_gradio.services.people.limits import Limits
from blossomtune_gradio.store.models import Participant, ParticipantStatus, now

_NO_CODE = activation.digest("")  # what is compared where there is none: it takes as long


class Codes:
    """Mails codes and checks them."""

    def __init__(self, outbox: Outbox, limits: Limits | None = None) -> None:
        self._outbox, self._limits = outbox, limits or Limits()

    def take(self, user: User, email: str) -> None:
        """Count a mail that will be sent. Raises TooOften."""
        self._limits.take_code(user, email)

    def mail(self, session: Session, row: Participant) -> None:
        """Mail a fresh code; every earlier one is worth nothing from now on."""
        code = activation.new_code()
        row.code_hash, row.code_tries, row.code_sent_at = activation.digest(code), 0, now()
        row.code_expires_at = now() + activation.CODE_LIFETIME
        self._outbox.drop_codes(session, row.email, REPLACED)
        self._outbox.put(
            session,
            "code",
            row.email,
            valid_until=row.code_expires_at,
            site=row.site,
            code=f"{code[:4]}-{code[4:]}",
            minutes=int(activation.CODE_LIFETIME.total_seconds() // 60),
            until=f"{row.code_expires_at:%H:%M} UTC",
        )

    def mail_again(self, session: Session, user: User, row: Participant) -> None:
        """Mail another code to somebody who waits for one.

        Raises:
            NotPossible: no code is needed, or it is too early; told with the seconds.
        """
        if row.status is not ParticipantStatus.REQUESTED:
            raise NotPossible(f"{row.site} is {row.status}; it needs no code.")
        if wait := _gap(row):
            raise NotPossible(f"A code was mailed just now. Ask again in {wait} seconds.")
        self.take(user, row.email)
        self.mail(session, row)

    def wait(self, user: User, row: Participant) -> int:
        """Seconds until `mail_again` is allowed, 0 now."""
        if row.status is not ParticipantStatus.REQUESTED:
            return 0
        return max(_gap(row), self._limits.code_wait(user, row.email))

    def take_guess(self, user: User) -> None:
        """Count an attempt, whoever makes it. Raises TooOften in the same words for everybody."""
        self._limits.take_guess(user)

    def fits(self, row: Participant | None, typed: str) -> bool:
        """Whether `typed` proves the mailbox of this row; a wrong one is counted."""
        same = activation.matches(typed, (row and row.code_hash) or _NO_CODE)
        if row is None:
            return False
        may_try = row.code_tries < activation.CODE_TRIES
        good = same and bool(row.code_hash) and _in_time(row) and may_try
        row.code_tries += 0 if good else 1
        return good

    def forget(self, session: Session, row: Participant, why: str = NOT_NEEDED) -> None:
        """The code is used, or nobody needs it any more."""
        row.code_hash, row.code_expires_at = "", None
        self._outbox.drop_codes(session, row.email, why)


def not_valid(row: Participant | None) -> InvalidInput:
    """The answer to a code that does not fit; `row` is the person's own, as it is by now.

    Only who waits for a code learns how often they may still try.
    """
    left = activation.CODE_TRIES - row.code_tries if row and row.code_hash else 0
    if row is None or left <= 0 or not _in_time(row):
        return InvalidInput("This code is not valid (any more). Ask for a new one.", field="code")
    tries = "1 try" if left == 1 else f"{left} tries"
    return InvalidInput(f"This code is wrong; {tries} left.", field="code")


def _in_time(row: Participant) -> bool:
    return row.code_expires_at is not None and now() < row.code_expires_at


def _gap(row: Participant) -> int:
    if row.code_sent_at is None:
        return 0
    left = row.code_sent_at + activation.RESEND_AFTER - now()
    return max(0, math.ceil(left.total_seconds()))
