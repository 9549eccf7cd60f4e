"""Sends the mails of the outbox: one after the other, patiently, and each of them once.

A mail is marked in a transaction before and after it is handed over, never while: no lock of the
database waits for a mail server. A crash between handing over and marking sends that one mail
again, with the same Message-ID, so that mail systems can drop the second. Surprise: trouble with
the server pauses everything (the next mail would fare the same), trouble with one mail only that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import SQLAlchemyError

from blossomtune_gradio.errors import InvalidInput, SettingsError
from blossomtune_gradio.mail import Letter, MailNotTaken, Postman, parse_sender, parse_server
from blossomtune_gradio.services.addresses import checked_email
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import Mail, MailStatus, now

_LOOK_EVERY = 30.0  # seconds, in case nobody wakes us
_MAIL_PAUSE, _LONGEST_MAIL_PAUSE = 60.0, 3600.0  # of a mail that was put off
_PATIENCE = timedelta(days=2)  # with a mail that is put off again and again
_CODE_IS_GONE = "The code is not kept once the mail has been sent.\n"


class Mailer:
    """The worker. Without a postman it does nothing, and mails wait in the outbox."""

    def __init__(
        self,
        database: Database,
        postman: Postman | None,
        tell: Callable[[str], None],
        pause: float = 5.0,
        longest_pause: float = 120.0,
    ) -> None:
        """`tell` hears of trouble and of its end; pauses are in seconds and double each time."""
        self._database, self._postman, self._tell = database, postman, tell
        self._first_pause, self._longest_pause = pause, longest_pause
        self._failures, self._resume_at = 0, 0.0  # monotonic seconds
        self._wake, self._ending = threading.Event(), False
        self._thread = threading.Thread(target=self._work, name="mailer", daemon=True)

    def open(self) -> None:
        """Start sending."""
        if self._postman:
            self._thread.start()

    def close(self) -> None:
        """Stop; a mail on its way right now is tried again at the next start."""
        self._ending = True
        self._wake.set()
        if self._postman and self._thread.is_alive():
            self._postman.abort()
            self._thread.join(15)

    def wake(self) -> None:
        """There is a new mail."""
        self._wake.set()

    def hurry(self) -> None:
        """Try now, whatever was refused a moment ago."""
        self._resume_at = 0.0
        self._wake.set()

    def _work(self) -> None:
        while not self._ending:
            try:
                rest = self._send_all()
            except Exception as error:  # noqa: BLE001 - the worker must outlive any surprise
                self._tell(f"ERROR: sending mails failed: {type(error).__name__}. Trying again.")
                rest = _LOOK_EVERY
            self._wake.wait(rest)
            self._wake.clear()

    def _send_all(self) -> float:
        """Send what is due; seconds until there is something to do."""
        while not self._ending:
            pause = self._resume_at - time.monotonic()
            if pause > 0:
                return min(pause, _LOOK_EVERY)
            mail = self._take()
            if mail is None:
                return self._until_next()
            self._deliver(mail)
        return 0

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
            mail = session.scalar(due)
            if mail is not None:
                mail.tries += 1
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
        except MailNotTaken as error:
            if not self._ending:
                self._put_off(mail, error)
        else:
            self._mark_sent(mail)
            if self._failures:
                self._tell("Mails are being sent again.")
            self._failures, self._resume_at = 0, 0.0

    def _put_off(self, mail: Mail, error: MailNotTaken) -> None:
        pause: float | None
        if error.server:
            pause = min(self._first_pause * 2**self._failures, self._longest_pause)
            self._failures = min(self._failures + 1, 30)
            self._resume_at = time.monotonic() + pause
            if self._failures == 1:
                self._tell(f"WARNING: mails wait: {error}.")
        elif error.for_good or now() - mail.created_at > _PATIENCE:
            pause = None
            self._tell(f"WARNING: mail {mail.id} ({mail.kind}) is refused for good.")
        else:
            pause = min(_MAIL_PAUSE * 2 ** min(mail.tries - 1, 10), _LONGEST_MAIL_PAUSE)
        with self._database.write() as session:
            row = session.get_one(Mail, mail.id)
            if row.status_word == MailStatus.DROPPED.value:
                return
            row.status_word, row.last_error = MailStatus.FAILED.value, str(error)
            row.next_try_at = None if pause is None else now() + timedelta(seconds=pause)

    def _mark_sent(self, mail: Mail) -> None:
        """Write it down, however long the database needs: else the mail would go out twice."""
        while True:
            try:
                with self._database.write() as session:
                    row = session.get_one(Mail, mail.id)
                    row.status_word, row.sent_at = MailStatus.SENT.value, now()
                    row.next_try_at, row.last_error = None, ""
                    if row.kind == "code":
                        row.body, row.html = _CODE_IS_GONE, ""
                return
            except SQLAlchemyError as error:
                self._tell(
                    f"ERROR: mail {mail.id} is sent, but that could not be written down "
                    f"({type(error).__name__}). Trying again."
                )
                if self._ending:
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
