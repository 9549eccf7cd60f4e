"""Where mails are handed over, and who sends them: two addresses of the settings, read once.

Surprise: beyond this machine STARTTLS is on unless it is switched off, and a password never goes
out in clear.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from email.headerregistry import Address
from urllib.parse import parse_qsl, unquote, urlsplit

from email_validator import EmailNotValidError, validate_email

from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.plain_text import plain

URL_VARIABLE = "BLOSSOMTUNE_SMTP_URL"
_URL, _FROM = URL_VARIABLE, "BLOSSOMTUNE_MAIL_FROM"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_YES_NO = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


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
    if not (server.user + server.password).isascii():
        raise _wrong("has a user or password with letters beyond ASCII; choose others")
    trusted(server)  # a file of certificates that cannot be read is told now
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


def trusted(server: MailServer) -> ssl.SSLContext:
    """Whose certificates are believed. Raises SettingsError."""
    context = ssl.create_default_context()
    if server.ca:
        try:
            context.load_verify_locations(server.ca)
        except OSError as error:
            raise _wrong("names a ca file that cannot be read") from error
    return context


def _wrong(what: str) -> SettingsError:
    return SettingsError(
        f"{_URL} {what}. Write it like smtp://user:password@mail.example.org:587?starttls=1 "
        "or smtps://user:password@mail.example.org."
    )
