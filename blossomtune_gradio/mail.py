"""One mail to one person through one mail server, within a time limit.

Knows SMTP and nothing of participants, templates or the database. The server is described by one
address, `smtp://user:password@host:587?starttls=1` or `smtps://…`; certificates are always checked.
Surprise: beyond this machine STARTTLS is on unless it is switched off, and a password never goes
out in clear.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime
from threading import Event, Timer
from urllib.parse import parse_qsl, unquote, urlsplit

from email_validator import EmailNotValidError, validate_email

from blossomtune_gradio.errors import BlossomError, SettingsError
from blossomtune_gradio.plain_text import plain

STEP_SECONDS = 10.0  # to connect, and to answer each command
TOTAL_SECONDS = 60.0  # for a whole mail, so that a server that drips cannot hold the line
_URL, _FROM = "BLOSSOMTUNE_SMTP_URL", "BLOSSOMTUNE_MAIL_FROM"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_YES_NO = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class MailNotTaken(BlossomError):
    """The mail was not taken; the message is a clause without a full stop.

    `server`: any other mail would fare the same now. `for_good`: trying again is of no use.
    """

    status = 502

    def __init__(self, clause: str, *, server: bool = True, for_good: bool = False) -> None:
        super().__init__(clause)
        self.server, self.for_good = server, for_good


@dataclass(frozen=True, kw_only=True)
class MailServer:
    """Where mails are handed over."""

    host: str
    port: int
    tls: str  # "none", "starttls" or "tls"
    user: str = ""
    password: str = field(default="", repr=False)
    ca: str = ""  # file of a certification authority, besides those of the system

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A mail to one address. `message_id` stays the same when it is sent again."""

    recipient: str
    subject: str
    text: str
    html: str = ""
    message_id: str


def parse_server(url: str) -> MailServer:
    """Read `BLOSSOMTUNE_SMTP_URL`.

    Raises:
        SettingsError: it cannot be used; the sentence says why and never repeats the password.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise _wrong("has a host or port that cannot be read") from None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise _wrong("must begin with smtp:// or smtps:// and a host")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(set(options) - {"starttls", "ca"}):
        raise _wrong(f"has the unknown option {unknown[0]!r}; known are starttls and ca")
    if parts.path.strip("/") or parts.fragment:
        raise _wrong("has something after the host; write # in a password as %23 and / as %2F")
    tls = _tls(parts.scheme, options.get("starttls"), parts.hostname)
    server = MailServer(
        host=parts.hostname,
        port=port or {"tls": 465, "starttls": 587, "none": 25}[tls],
        tls=tls,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        ca=options.get("ca", ""),
    )
    if server.password and tls == "none" and server.host not in _LOOPBACK:
        raise _wrong("would send the password in clear; use smtps:// or ?starttls=1")
    _context(server)  # a file of certificates that cannot be read is told now
    return server


def parse_sender(text: str) -> Address:
    """Read `BLOSSOMTUNE_MAIL_FROM`: `fl@example.org` or `Our federation <fl@example.org>`.

    Raises:
        SettingsError: this is not one address.
    """
    try:
        valid = validate_email(
            text.strip(), check_deliverability=False, allow_smtputf8=False, allow_display_name=True
        )
        address = valid.ascii_email or valid.normalized
        return Address(display_name=plain(valid.display_name or ""), addr_spec=address)
    except (EmailNotValidError, ValueError):
        raise SettingsError(
            f"{_FROM} must name one sender, like fl@example.org or "
            "Our federation <fl@example.org>. Change it and try again."
        ) from None


class Postman:
    """Hands mails over to one server, one at a time."""

    def __init__(
        self,
        server: MailServer,
        sender: Address,
        step_seconds: float = STEP_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self.server, self.sender = server, sender
        self._step, self._total = step_seconds, total_seconds
        self._line: smtplib.SMTP | None = None

    def send(self, letter: Letter) -> None:
        """Return once the server has taken responsibility for the mail.

        Raises:
            MailNotTaken: it has not; or it did not say so, and the mail may come twice.
        """
        try:
            message = self._message(letter)
        except ValueError as error:
            raise MailNotTaken("it cannot be a mail", server=False, for_good=True) from error
        late = Event()

        def hang_up() -> None:
            late.set()
            self.abort()

        limit = Timer(self._total, hang_up)
        limit.daemon = True
        limit.start()
        try:
            line = self._connect()
            line.send_message(message, self.sender.addr_spec, [letter.recipient])
            with suppress(OSError, smtplib.SMTPException):
                line.quit()  # it has the mail: a rude goodbye changes nothing
        except (OSError, smtplib.SMTPException, MailNotTaken) as error:
            if late.is_set():
                raise MailNotTaken(f"{self.server} takes too long") from error
            raise self._told(error) from error
        finally:
            limit.cancel()
            line_now, self._line = self._line, None
            if line_now:
                line_now.close()

    def abort(self) -> None:
        """Hang up now; a `send` in another thread fails at once."""
        line = self._line
        sock = line.sock if line else None
        if sock:
            with suppress(OSError):  # it hung up itself
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _connect(self) -> smtplib.SMTP:
        server, name = self.server, self.sender.domain  # our own name must cost no look-up
        line: smtplib.SMTP
        if server.tls == "tls":
            context = _context(server)
            line = smtplib.SMTP_SSL(timeout=self._step, local_hostname=name, context=context)
        else:
            line = smtplib.SMTP(timeout=self._step, local_hostname=name)
        line._host = server.host  # type: ignore[attr-defined] # the name on the certificate
        self._line = line
        code, _ = line.connect(server.host, server.port)
        if code != 220:
            raise MailNotTaken(f"{server} does not take mail now ({code})")
        if server.tls == "starttls":
            line.starttls(context=_context(server))
        if server.user:
            line.login(server.user, server.password)
        return line

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

    def _told(self, error: Exception) -> MailNotTaken:
        """What went wrong, in words; nothing of a refused login is repeated."""
        at = self.server
        match error:
            case MailNotTaken():
                return error
            case smtplib.SMTPRecipientsRefused(recipients=refused):
                code, said = next(iter(refused.values()))
                return _refused(f"{at} refuses this recipient", code, said)
            case smtplib.SMTPDataError(smtp_code=code, smtp_error=said):
                return _refused(f"{at} refuses this mail", code, said)
            case smtplib.SMTPSenderRefused(smtp_code=code, smtp_error=said):
                return MailNotTaken(f"{at} refuses mail from us ({_said(code, said)})")
            case smtplib.SMTPAuthenticationError(smtp_code=code):
                return MailNotTaken(f"{at} refuses our user name or password ({code})")
            case smtplib.SMTPNotSupportedError():
                wanted = "login" if at.tls == "none" else "STARTTLS or login"
                return MailNotTaken(f"{at} offers no {wanted}; correct {_URL}")
            case smtplib.SMTPResponseException(smtp_code=code, smtp_error=said):
                return MailNotTaken(f"{at} says {_said(code, said)}")
            case ssl.SSLCertVerificationError(verify_message=why):
                return MailNotTaken(f"the certificate of {at} cannot be trusted: {why}")
            case TimeoutError():
                return MailNotTaken(f"{at} does not answer")
            case ConnectionRefusedError():
                return MailNotTaken(f"connection refused by {at}")
            case socket.gaierror():
                return MailNotTaken(f"there is no host {at.host}")
            case smtplib.SMTPServerDisconnected(__context__=TimeoutError()):
                return MailNotTaken(f"{at} does not answer")
            case smtplib.SMTPServerDisconnected():
                return MailNotTaken(f"{at} hung up")
            case OSError(strerror=str(why)):
                return MailNotTaken(f"{at} cannot be reached: {why}")
        return MailNotTaken(f"{at} cannot be talked to ({type(error).__name__})")


def _tls(scheme: str, starttls: str | None, host: str) -> str:
    if scheme == "smtps":
        if starttls is not None:
            raise _wrong("has starttls, but smtps:// is encrypted from the beginning")
        return "tls"
    if starttls is None:
        return "none" if host in _LOOPBACK else "starttls"
    if starttls.lower() not in _YES_NO:
        raise _wrong("has a starttls that is neither 1 nor 0")
    return "starttls" if _YES_NO[starttls.lower()] else "none"


def _context(server: MailServer) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if server.ca:
        try:
            context.load_verify_locations(server.ca)
        except OSError as error:
            raise _wrong("names a ca file that cannot be read") from error
    return context


def _refused(what: str, code: int, said: bytes | str) -> MailNotTaken:
    return MailNotTaken(f"{what} ({_said(code, said)})", server=code == 421, for_good=code >= 500)


def _said(code: int, said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"{code} {plain(' '.join(text.split()))[:160]}".strip()


def _wrong(what: str) -> SettingsError:
    return SettingsError(
        f"{_URL} {what}. Write it like smtp://user:password@mail.example.org:587?starttls=1 "
        "or smtps://user:password@mail.example.org."
    )
