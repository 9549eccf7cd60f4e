"""Mails that wait to be sent, or to be read where there is no mail server.

Services put a mail into the same transaction as the change it tells of, so neither is ever there
without the other; a worker (`mailer.py`) sends it later. Surprise: where mails are really sent,
nobody reads them here, because a code proves a mailbox only as long as admins cannot see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, event, func, select, update
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import NotFound, NotPossible
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.services.notices.mail_templates import Templates
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import Mail, MailStatus, now

_UNSENT = (MailStatus.QUEUED.value, MailStatus.FAILED.value)
_PERHAPS = (MailStatus.SENDING.value, MailStatus.UNKNOWN.value)  # with the server, or who knows
REPLACED, USED, NOT_NEEDED, EXPIRED = "replaced by a newer code", "used", "not needed", "expired"
"""Why a code is not sent any more."""


@dataclass(frozen=True, kw_only=True)
class OutboxState:
    """How the mails stand; `sentence` says all of it."""

    sentence: str
    tone: str  # "good", "busy", "bad" or "off"
    delivers: bool  # there is a mail server
    waiting: int  # sent as soon as the server takes them
    given_up: int  # refused for good; sent only when an admin says so
    unknown: int  # the server had them and said neither yes nor no; likewise
    error: str = ""  # why those that wait were not taken
    next_try_at: datetime | None = None


class Outbox:
    """Takes mails in and shows how they stand."""

    def __init__(
        self,
        database: Database,
        templates: Templates | None = None,
        *,
        admins: Callable[[Session], Iterable[str]] = lambda _: (),
        delivers: bool = False,
        readable: bool = True,
        page: str = "",
    ) -> None:
        """`admins` gives the addresses of those who decide, `page` is where people find us.

        `delivers`: there is a mail server. `readable`: admins may read the mails here.
        """
        self._database, self._templates = database, templates or Templates()
        self._admins, self._page = admins, page
        self.delivers, self.readable = delivers, readable
        self.on_new: Callable[[], None] = _nothing  # a mail is there to be sent
        self.on_hurry: Callable[[], None] = _nothing  # an admin wants all of them tried now

    def put(
        self,
        session: Session,
        kind: str,
        recipient: str,
        *,
        valid_until: datetime | None = None,
        **words: object,
    ) -> Mail:
        """Queue a mail of a kind ("code", "approved", …) in the caller's transaction.

        It is not sent any more after `valid_until`.
        """
        said = self._templates.render(kind, {"page": self._page, **words})
        mail = Mail(
            kind=kind,
            recipient=recipient,
            subject=said.subject,
            body=said.text,
            html=said.html,
            valid_until=valid_until,
        )
        session.add(mail)
        event.listen(session, "after_commit", lambda _: self.on_new(), once=True)
        return mail

    def put_to_admins(self, session: Session, kind: str, **words: object) -> list[Mail]:
        """Queue one mail for each admin whose address is known."""
        addresses = dict.fromkeys(self._admins(session))
        return [
            self.put(session, kind, address, valid_until=None, **words) for address in addresses
        ]

    def drop_codes(self, session: Session, recipient: str, why: str) -> None:
        """Codes for this address that are still here are worth nothing any more."""
        codes = (Mail.kind == "code") & (Mail.recipient == recipient)
        _drop(session, codes & Mail.status_word.in_((*_UNSENT, *_PERHAPS)), why)

    def newest(self, by: User, limit: int = 50) -> list[Mail]:
        """The newest mails first; without what they say, unless they can be read here."""
        require(by, Role.ADMIN, "read the outbox")
        with self._database.read() as session:
            mails = list(session.scalars(select(Mail).order_by(Mail.id.desc()).limit(limit)))
            session.expunge_all()
        if not self.readable:
            for mail in mails:
                mail.body = mail.html = ""
        return mails

    def state(self, by: User) -> OutboxState:
        """How many mails wait, why, and when the next attempt is."""
        require(by, Role.ADMIN, "see how the mails stand")
        with self._database.read() as session:
            unsent = session.execute(
                select(Mail.status_word, Mail.next_try_at, Mail.last_error)
                .where(Mail.status_word.in_((*_UNSENT, MailStatus.SENDING.value)))
                .order_by(Mail.id.desc())
            ).all()
            unsure = list(
                session.scalars(
                    select(Mail.last_error)
                    .where(Mail.status_word == MailStatus.UNKNOWN.value)
                    .order_by(Mail.id.desc())
                )
            )
        gone = [error for word, at, error in unsent if word == MailStatus.FAILED and at is None]
        waiting = [mail[1:] for mail in unsent if mail[0] != MailStatus.FAILED or mail[1]]
        times = [at for at, _ in waiting if at]
        why = next((error for _, error in waiting if error), "")
        return _state(self.delivers, len(waiting), why, min(times, default=None), gone, unsure)

    def try_again(self, by: User) -> int:
        """Try every unsent mail now, those given up too; how many there are.

        Those that may have arrived are left alone, see `send_again`.
        """
        require(by, Role.ADMIN, "send mails again")
        with self._database.write() as session:
            drop_expired(session)
            unsent = Mail.status_word.in_(_UNSENT)
            count = session.scalar(select(func.count(Mail.id)).where(unsent)) or 0
            session.execute(
                update(Mail)
                .where(unsent)
                .values(status_word=MailStatus.QUEUED.value, next_try_at=None)
            )
            record(session, by, "mail.try_again", "mail:all", after={"mails": count})
        self.on_hurry()
        return count

    def send_again(self, mail_id: int, by: User) -> Mail:
        """Send a mail once more of which nobody knows whether it arrived.

        Raises:
            NotFound: there is no such mail.
            NotPossible: it is not such a mail, or its code has expired.
        """
        require(by, Role.ADMIN, "send mails again")
        with self._database.write() as session:
            drop_expired(session)
            mail = session.get(Mail, mail_id)
            if mail is None:
                raise NotFound("This mail does not exist. Reload the page.")
            if mail.status_word == MailStatus.UNKNOWN.value:
                mail.status_word, mail.unsure_tries = MailStatus.QUEUED.value, 0
                record(session, by, "mail.send_again", f"mail:{mail.id}", target_name=mail.kind)
        if mail.status_word != MailStatus.QUEUED.value:
            why = mail.last_error or mail.status_word
            raise NotPossible(f"This mail is not sent again: it is {why}.")
        self.on_hurry()
        return mail


def drop_expired(session: Session) -> None:
    """Codes that nobody can use any more are not sent."""
    open_ = Mail.status_word.in_((*_UNSENT, MailStatus.UNKNOWN.value))
    _drop(session, (Mail.valid_until <= now()) & open_, EXPIRED)


def _drop(session: Session, which: ColumnElement[bool], why: str) -> None:
    session.execute(
        update(Mail)
        .where(which)
        .values(status_word=MailStatus.DROPPED.value, next_try_at=None, last_error=why),
        execution_options={"synchronize_session": False},  # nobody holds them
    )


def _state(
    delivers: bool,
    waiting: int,
    why: str,
    next_try_at: datetime | None,
    gone: list[str],
    unsure: list[str],
) -> OutboxState:
    said, tone = [], "good" if delivers else "off"
    if not delivers:
        said.append("No mail server is set up, so mails wait here and you pass them on yourself.")
    elif waiting and why:
        when = f", next try {next_try_at:%H:%M} UTC" if next_try_at else ""
        said.append(f"{_mails(waiting)} waiting: {why}{when}.")
        tone = "bad"
    elif waiting:
        said.append(f"{_mails(waiting)} on the way.")
        tone = "busy"
    if delivers and gone:
        said.append(f"{_mails(len(gone))} refused for good: {gone[0]}.")
        tone = "bad"
    if delivers and unsure:
        said.append(
            f"{_mails(len(unsure))}: unknown whether {'it' if len(unsure) == 1 else 'they'} "
            f"arrived ({unsure[0]}). Send again?"
        )
        tone = "bad"
    return OutboxState(
        sentence=" ".join(said) or "All mails are sent.",
        tone=tone,
        delivers=delivers,
        waiting=waiting,
        given_up=len(gone),
        unknown=len(unsure),
        error=why,
        next_try_at=next_try_at,
    )


def _mails(count: int) -> str:
    return "1 mail" if count == 1 else f"{count} mails"


def _nothing() -> None:
    """Nobody listens."""
