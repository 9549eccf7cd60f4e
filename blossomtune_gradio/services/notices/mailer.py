"""Sends the mails of the outbox, patiently, and each of them once.

A mail is marked in a transaction before and after it is handed over, never while: no lock of the
database waits for a mail server. One that takes its time goes on by itself on its own connection,
and the next one begins. What the server had and did not confirm is tried once more with the same
Message-ID, so that mail systems can drop the second; then an admin decides. Surprise: trouble with
the server pauses everything (the next mail would fare the same), trouble with one mail only that.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import SQLAlchemyError

from blossomtune_gradio.background import Loop
from blossomtune_gradio.errors import BlossomError, InvalidInput, SettingsError
from blossomtune_gradio.mail import (
    Letter,
    MailNotTaken,
    MailUnknown,
    Postman,
    parse_sender,
    parse_server,
)
from blossomtune_gradio.services.addresses import checked_email
from blossomtune_gradio.services.notices.outbox import drop_expired
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import Mail, MailStatus, now

_log = logging.getLogger(__name__)
_LOOK_EVERY = 30.0  # seconds, in case nobody wakes us
_MAIL_PAUSE, _LONGEST_MAIL_PAUSE = 60.0, 3600.0  # of a mail that was put off
_PATIENCE = timedelta(days=2)  # with a mail that is put off again and again
_MOST_UNSURE = 2  # tries without a yes or no; then an admin decides
_MOST_AT_ONCE, _OWN_WAY = 4, 10.0  # mails; seconds until the next one does not wait any longer
_END_SECONDS = 5.0
_DIED = "BlossomTune ended while it was on its way"
_CODE_IS_GONE = "The code is not kept once the mail has been sent.\n"


class Mailer:
    """The worker. Without a postman it does nothing, and mails wait in the outbox."""

    def __init__(
        self,
        database: Database,
        postman: Postman | None,
        pause: float = 5.0,
        longest_pause: float = 120.0,
        own_way: float = _OWN_WAY,
        mail_pause: float = _MAIL_PAUSE,
    ) -> None:
        """Pauses are in seconds and double each time; trouble and its end are in the log.

        `own_way` are the seconds after which the next mail does not wait for this one any longer.
        """
        self._database, self._postman = database, postman
        self._first_pause, self._longest_pause = pause, longest_pause
        self._own_way, self._mail_pause = own_way, mail_pause
        self._lock = threading.Lock()
        self._failures, self._resume_at = 0, 0.0  # monotonic seconds
        self._under_way: dict[int, threading.Thread] = {}
        self._recovered = False
        self.loop = Loop("mails", self._step, _LOOK_EVERY)

    def open(self) -> None:
        """Start sending."""
        if self._postman:
            self.loop.open()

    def close(self) -> None:
        """Stop; a mail on its way right now is tried again at the next start."""
        self.loop.end()
        if self._postman is None:
            return
        limit = time.monotonic() + _END_SECONDS
        with self._lock:
            under_way = list(self._under_way.values())
        for thread in under_way:
            while thread.is_alive() and time.monotonic() < limit:
                self._postman.abort()  # again: one may just have got its connection
                thread.join(0.1)
        self.loop.close(limit - time.monotonic())

    def wake(self) -> None:
        """There is a new mail."""
        self.loop.wake()

    def hurry(self) -> None:
        """Try now, whatever was refused a moment ago."""
        self._resume_at = 0.0
        self.loop.wake()

    def _step(self) -> float:
        if not self._recovered:
            self._recover()
            self._recovered = True
        return self._send_all()

    def _recover(self) -> None:
        """Mails that were with the server when we died: nobody knows what became of them."""
        with self._database.write() as session:
            lost = Mail.status_word == MailStatus.SENDING.value
            for mail in session.scalars(select(Mail).where(lost)):
                _unsure(mail, _DIED, 0)

    def _send_all(self) -> float:
        """Send what is due; seconds until there is something to do."""
        while not self.loop.ending.is_set():
            with self._lock:
                pause, busy = self._resume_at - time.monotonic(), len(self._under_way)
            if pause > 0:
                return min(pause, _LOOK_EVERY)
            if busy >= _MOST_AT_ONCE:
                return _LOOK_EVERY  # the end of one wakes us
            mail = self._take()
            if mail is None:
                return self._until_next()
            self._send(mail)
        return 0

    def _send(self, mail: Mail) -> None:
        """Send one; return when it is done, or takes so long that the next one should not wait."""
        done = threading.Event()

        def deliver() -> None:
            try:
                self._deliver(mail)
            finally:
                with self._lock:
                    del self._under_way[mail.id]
                done.set()
                self.loop.wake()

        work = self.loop.loops.theirs(deliver) if self.loop.loops else deliver
        thread = threading.Thread(target=work, name=f"mail-{mail.id}", daemon=True)
        with self._lock:
            self._under_way[mail.id] = thread
        thread.start()
        limit = time.monotonic() + self._own_way
        while not (self.loop.ending.is_set() or done.is_set()) and time.monotonic() < limit:
            done.wait(0.2)

    def _take(self) -> Mail | None:
        """The next mail, one attempt added. Fewest attempts first: none blocks the others."""
        due = (
            select(Mail)
            .where(_may_go() & (Mail.next_try_at.is_(None) | (Mail.next_try_at <= now())))
            .order_by(Mail.tries, Mail.id)
            .limit(1)
        )
        with self._database.read() as session:
            if session.scalar(due) is None:
                return None  # the usual case takes no lock
        with self._database.write() as session:
            drop_expired(session)
            mail = session.scalar(due)
            if mail is not None:
                mail.tries += 1
                mail.status_word = MailStatus.SENDING.value
        return mail

    def _until_next(self) -> float:
        with self._database.read() as session:
            waiting = select(Mail.next_try_at).where(_may_go() & Mail.next_try_at.is_not(None))
            first = session.scalar(waiting.order_by(Mail.next_try_at).limit(1))
        left = (first - now()).total_seconds() if first else _LOOK_EVERY
        return min(max(left, 0.01), _LOOK_EVERY)

    def _deliver(self, mail: Mail) -> None:
        postman = self._postman
        assert postman is not None  # noqa: S101 - the thread only runs with one
        try:
            postman.send(_letter(mail, postman.sender.domain))
        except MailUnknown as error:
            self._doubt(mail, error)
        except MailNotTaken as error:
            self._put_off(mail, error)
        except Exception as error:  # noqa: BLE001 - tried again as any other trouble
            _log.exception("Mail %d (%s) cannot be sent.", mail.id, mail.kind)
            self._put_off(mail, MailNotTaken(f"it cannot be sent ({type(error).__name__})"))
        else:
            self._write_down(mail, _sent)
            with self._lock:
                was_in_trouble = self._failures
                self._failures, self._resume_at = 0, 0.0
            if was_in_trouble:
                _log.info("Mails are being sent again.")

    def _doubt(self, mail: Mail, error: MailUnknown) -> None:
        self._write_down(mail, lambda row: _unsure(row, str(error), self._mail_pause))
        if mail.unsure_tries + 1 >= _MOST_UNSURE:
            _log.warning(
                "Mail %d (%s): unknown whether it arrived; an admin decides in the Outbox whether "
                "it is sent again. %s.",
                mail.id,
                mail.kind,
                error,
            )

    def _put_off(self, mail: Mail, error: MailNotTaken) -> None:
        pause: float | None
        if self.loop.ending.is_set():  # we hung up ourselves
            self._write_down(mail, lambda row: _failed(row, "", 0))
            return
        if error.server:
            with self._lock:
                pause = min(self._first_pause * 2**self._failures, self._longest_pause)
                self._failures = min(self._failures + 1, 30)
                self._resume_at = time.monotonic() + pause
                is_first = self._failures == 1
            if is_first:
                _log.warning("Mails wait: %s.", error)
        elif error.for_good or now() - mail.created_at > _PATIENCE:
            pause = None
            _log.warning("Mail %d (%s) is refused for good.", mail.id, mail.kind)
        else:
            pause = min(self._mail_pause * 2 ** min(mail.tries - 1, 10), _LONGEST_MAIL_PAUSE)
        self._write_down(mail, lambda row: _failed(row, str(error), pause))

    def _write_down(self, mail: Mail, change: Callable[[Mail], None]) -> None:
        """However long the database needs: else the mail would go out twice."""
        while True:
            try:
                with self._database.write() as session:
                    change(session.get_one(Mail, mail.id))
                return
            except (SQLAlchemyError, BlossomError) as error:
                _log.error(
                    "What became of mail %d could not be written down (%s). Trying again.",
                    mail.id,
                    type(error).__name__,
                )
                if self.loop.ending.is_set():
                    return
                time.sleep(1)


def postman(settings: Settings) -> Postman | None:
    """The way to the mail server of the settings, if they name one.

    Raises:
        SettingsError: server, sender or an admin's address cannot be used.
    """
    for address in settings.admin_emails:
        try:
            checked_email(address)
        except InvalidInput as error:
            raise SettingsError(
                f"BLOSSOMTUNE_ADMIN_EMAILS must be addresses, by commas; {address!r} is none."
            ) from error
    if not settings.smtp_url:
        return None
    server = parse_server(settings.smtp_url)
    if not settings.mail_from and "@" not in server.user:
        raise SettingsError(
            "BLOSSOMTUNE_SMTP_URL is set, but no sender. Set BLOSSOMTUNE_MAIL_FROM, for example to "
            "Our federation <fl@example.org>."
        )
    return Postman(server, parse_sender(settings.mail_from or server.user))


def _sent(row: Mail) -> None:
    row.status_word, row.sent_at = MailStatus.SENT.value, now()
    row.next_try_at, row.last_error = None, ""
    if row.kind == "code":
        row.body, row.html = _CODE_IS_GONE, ""


def _failed(row: Mail, why: str, pause: float | None) -> None:
    """Not taken; again after `pause` seconds, or (None) when an admin says so."""
    if row.status_word != MailStatus.DROPPED.value:
        row.status_word, row.last_error = MailStatus.FAILED.value, why
        row.next_try_at = None if pause is None else now() + timedelta(seconds=pause)


def _unsure(row: Mail, why: str, pause: float) -> None:
    """Perhaps taken; once more after `pause` seconds, then an admin decides."""
    row.unsure_tries += 1
    _failed(row, why, pause)
    if row.unsure_tries >= _MOST_UNSURE and row.status_word == MailStatus.FAILED.value:
        row.status_word, row.next_try_at = MailStatus.UNKNOWN.value, None


def _may_go() -> ColumnElement[bool]:
    """Never tried, or put off; not what was given up."""
    put_off = (Mail.status_word == MailStatus.FAILED.value) & Mail.next_try_at.is_not(None)
    return (Mail.status_word == MailStatus.QUEUED.value) | put_off


def _letter(mail: Mail, domain: str) -> Letter:
    return Letter(
        recipient=mail.recipient,
        subject=mail.subject,
        text=mail.body,
        html=mail.html,
        message_id=f"<{mail.created_at:%Y%m%d%H%M%S%f}.{mail.id}@{domain}>",
    )
