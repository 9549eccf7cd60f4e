"""Hands one mail over to the server, step by step, each with a limit of its own.

The server is described by one address; certificates are always checked. Each mail has a connection
of its own. Surprise: once the final dot is sent, the server may have the mail whatever it says or
does not say; if no clear answer comes, the outcome is unknown (`MailUnknown`) and not a failure.
"""

from __future__ import annotations

import base64
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime

from blossomtune_gradio.errors import BlossomError
from blossomtune_gradio.mail.server import URL_VARIABLE, MailServer, trusted
from blossomtune_gradio.plain_text import plain

_OUR_LOGINS = frozenset(("PLAIN", "LOGIN", "CRAM-MD5"))
_LONGEST_ANSWER = 300  # characters of what a server said


class MailNotTaken(BlossomError):
    """The mail was not taken; the message is a clause without a full stop.

    `server`: any other mail would fare the same now. `for_good`: trying again is of no use.
    """

    status = 502

    def __init__(self, clause: str, *, server: bool = True, for_good: bool = False) -> None:
        super().__init__(clause)
        self.server, self.for_good = server, for_good


class MailUnknown(MailNotTaken):
    """The server had the whole mail and did not say whether it took it."""

    def __init__(self, clause: str) -> None:
        super().__init__(clause, server=False)


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A mail to one address. `message_id` stays the same when it is sent again."""

    recipient: str
    subject: str
    text: str
    html: str = ""
    message_id: str


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Seconds a server has, all of its answer included (RFC 5321, 4.5.3.2)."""

    connect: float = 60
    step: float = 300  # for its greeting and for each command
    data: float = 180  # to begin with the mail, and to take it in
    end: float = 600  # for its answer to the final dot: scanners work here


class Postman:
    """Hands mails over to one server; several at once if it is asked to."""

    def __init__(
        self, server: MailServer, sender: Address, patience: Patience | None = None
    ) -> None:
        self.server, self.sender = server, sender
        self._patience = patience or Patience()
        self._lock = threading.Lock()
        self._under_way: set[_Delivery] = set()

    def send(self, letter: Letter) -> None:
        """Return once the server has taken responsibility for the mail.

        Raises:
            MailUnknown: it may have; it did not say so.
            MailNotTaken: it has not.
        """
        try:
            message = self._message(letter).as_bytes()
        except ValueError as error:
            raise MailNotTaken("it cannot be a mail", server=False, for_good=True) from error
        delivery = _Delivery(self.server, self.sender, self._patience)
        with self._lock:
            self._under_way.add(delivery)
        try:
            delivery.run(letter.recipient, message)
        finally:
            with self._lock:
                self._under_way.discard(delivery)

    def abort(self) -> None:
        """Hang up now; each `send` in another thread fails at once."""
        with self._lock:
            under_way = list(self._under_way)
        for delivery in under_way:
            delivery.hang_up()

    def _message(self, letter: Letter) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"] = self.sender, Address(addr_spec=letter.recipient)
        message["Subject"] = plain(letter.subject.replace("\n", " "))
        message["Message-ID"], message["Date"] = letter.message_id, format_datetime(localtime())
        message["Auto-Submitted"] = "auto-generated"  # no holiday notes, please
        message.set_content(letter.text, cte="quoted-printable")
        if letter.html:
            message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
        return message


class _Delivery:
    """One connection for one mail."""

    def __init__(self, server: MailServer, sender: Address, patience: Patience) -> None:
        self._server, self._sender, self._patience = server, sender, patience
        self._line: smtplib.SMTP | None = None
        self._late = False

    def run(self, recipient: str, message: bytes) -> None:
        """Raises MailNotTaken, MailUnknown."""
        try:
            line = self._connect()
            self._introduce(line, recipient, len(message))
            self._hand_over(line, message)
        except (OSError, smtplib.SMTPException, MailNotTaken) as error:
            raise self._told(error) from error
        except ValueError as error:  # an address that SMTP cannot say
            raise MailNotTaken("it cannot be a mail", server=False, for_good=True) from error
        finally:
            if self._line:
                self._line.close()

    def hang_up(self) -> None:
        """End it, whatever it waits for."""
        line = self._line
        sock = line.sock if line else None
        if sock:
            with suppress(OSError):  # it hung up itself
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Hang up when the block is not over in time, also on a server that drips."""

        def too_late() -> None:
            self._late = True
            self.hang_up()

        limit = threading.Timer(seconds, too_late)
        limit.daemon = True
        limit.start()
        try:
            yield
        finally:
            limit.cancel()

    def _connect(self) -> smtplib.SMTP:
        server, name = self._server, self._sender.domain  # our own name must cost no look-up
        limit = self._patience.connect
        line: smtplib.SMTP
        if server.tls == "tls":
            context = trusted(server)
            line = smtplib.SMTP_SSL(timeout=limit, local_hostname=name, context=context)
        else:
            line = smtplib.SMTP(timeout=limit, local_hostname=name)
        line._host = server.host  # type: ignore[attr-defined] # the name on the certificate
        self._line = line
        sock = line._get_socket(server.host, server.port, limit)  # type: ignore[attr-defined]
        line.sock, line.file = sock, None
        sock.settimeout(self._patience.end + 60)  # `_within` is sooner
        with self._within(self._patience.step):
            code, _ = line.getreply()
        if code != 220:
            raise MailNotTaken(f"{server} does not take mail now ({code})")
        return line

    def _introduce(self, line: smtplib.SMTP, recipient: str, size: int) -> None:
        """TLS, login, sender and recipient."""
        server, step = self._server, self._patience.step
        if server.tls == "starttls":
            with self._within(step):
                line.starttls(context=trusted(server))
        with self._within(step):
            line.ehlo_or_helo_if_needed()
        if server.user:
            self._require_login(line)
            with self._within(step):
                line.login(server.user, server.password)
        with self._within(step):
            options = [f"size={size}"] if line.has_extn("size") else []
            code, said = line.mail(self._sender.addr_spec, options)
        if code != 250:
            raise smtplib.SMTPSenderRefused(code, said, self._sender.addr_spec)
        with self._within(step):
            code, said = line.rcpt(recipient)
        if code not in (250, 251):
            raise smtplib.SMTPRecipientsRefused({recipient: (code, said)})

    def _hand_over(self, line: smtplib.SMTP, message: bytes) -> None:
        with self._within(self._patience.data):
            code, said = line.docmd("DATA")
        if code != 354:
            raise smtplib.SMTPDataError(code, said)
        body = re.sub(rb"(?m)^\.", b"..", message)
        with self._within(self._patience.data):
            line.send(body if body.endswith(b"\r\n") else body + b"\r\n")
            line.send(b".\r\n")
        try:
            with self._within(self._patience.end):
                code, said = line.getreply()
        except (OSError, smtplib.SMTPException) as error:
            did = "did not answer" if self._is_late(error) else "hung up"
            raise MailUnknown(f"{self._server} had the whole mail and {did}") from error
        if self._late:  # what had come by then is no answer
            raise MailUnknown(f"{self._server} had the whole mail and did not answer")
        if not 200 <= code < 600:
            raise MailUnknown(f"{self._server} had the whole mail and gave no answer of SMTP")
        if code >= 300:
            raise smtplib.SMTPDataError(code, said)
        with suppress(OSError, smtplib.SMTPException):
            line.putcmd("quit")  # it has the mail: nobody waits for a goodbye

    def _require_login(self, line: smtplib.SMTP) -> None:
        """There is a way to log in that both know; smtplib does not say which are offered."""
        offered = set(line.esmtp_features.get("auth", "").upper().split())
        if offered and not offered & _OUR_LOGINS:
            raise MailNotTaken(
                f"{self._server} offers login by {_list(offered)} only, and BlossomTune knows "
                f"{_list(_OUR_LOGINS)}; use a server or relay that offers one of them"
            )

    def _is_late(self, error: BaseException) -> bool:
        return self._late or isinstance(error, TimeoutError)

    def _told(self, error: Exception) -> MailNotTaken:
        """What went wrong, in words; no password is repeated."""
        at = self._server
        if isinstance(error, MailUnknown):
            return error
        if self._late:
            return MailNotTaken(f"{at} does not answer in time")
        if isinstance(error, MailNotTaken):
            return error
        match error:
            case smtplib.SMTPRecipientsRefused(recipients=refused):
                code, said = next(iter(refused.values()))
                return self._refused("refuses this recipient", code, said)
            case smtplib.SMTPDataError(smtp_code=code, smtp_error=said):
                return self._refused("refuses this mail", code, said)
            case smtplib.SMTPSenderRefused(smtp_code=code, smtp_error=said):
                return MailNotTaken(f"{at} refuses mail from us ({self._said(code, said)})")
            case smtplib.SMTPAuthenticationError(smtp_code=code, smtp_error=said):
                return MailNotTaken(f"{at} refuses our login ({self._said(code, said)})")
            case smtplib.SMTPNotSupportedError():
                wanted = "login" if at.tls == "none" else "STARTTLS or login"
                return MailNotTaken(f"{at} offers no {wanted}; correct {URL_VARIABLE}")
            case smtplib.SMTPResponseException(smtp_code=code, smtp_error=said):
                return MailNotTaken(f"{at} says {self._said(code, said)}")
            case ssl.SSLCertVerificationError(verify_message=why):
                return MailNotTaken(f"the certificate of {at} cannot be trusted: {why}")
            case TimeoutError():
                return MailNotTaken(f"{at} does not answer")
            case ConnectionRefusedError():
                return MailNotTaken(f"connection refused by {at}")
            case socket.gaierror():
                return MailNotTaken(f"there is no host {at.host}")
            case smtplib.SMTPServerDisconnected():
                return MailNotTaken(f"{at} hung up")
            case OSError(strerror=str(why)):
                return MailNotTaken(f"{at} cannot be reached: {why}")
        return MailNotTaken(f"{at} cannot be talked to ({type(error).__name__})")

    def _refused(self, what: str, code: int, said: bytes | str) -> MailNotTaken:
        clause = f"{self._server} {what} ({self._said(code, said)})"
        return MailNotTaken(clause, server=code == 421, for_good=code >= 500)

    def _said(self, code: int, said: bytes | str) -> str:
        """The server's own words on one line, without what we logged in with."""
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        text = plain(" ".join(text.split()))
        user, password = self._server.user, self._server.password
        for secret in (password, f"\0{user}\0{password}") if password else ():
            for form in (secret, base64.b64encode(secret.encode()).decode()):
                text = text.replace(form, "(password)")
        return f"{code} {text[:_LONGEST_ANSWER]}".strip()


def _list(names: set[str] | frozenset[str]) -> str:
    *most, last = sorted(names)
    return f"{', '.join(most)} and {last}" if most else last
