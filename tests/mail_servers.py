"""Real SMTP servers on loopback, well-behaved and otherwise."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from threading import Thread
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

HOST = "127.0.0.1"


@dataclass
class Inbox:
    """Takes mails and answers as it is told; `trouble` is an answer, or a callable that waits."""

    mails: list[Envelope] = field(default_factory=list)
    at_recipient: Callable[[str], str] = lambda _: ""
    at_data: Callable[[], str] = lambda: ""
    hang_up: bool = False  # after the whole mail came, before it is taken
    seconds: float = 0.0  # for each mail
    logins: list[tuple[str, str]] = field(default_factory=list)
    attempts: int = 0

    async def handle_RCPT(  # noqa: N802 - the name aiosmtpd asks for
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := self.at_recipient(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.attempts += 1
        await asyncio.sleep(self.seconds)
        if self.hang_up:
            server.transport.abort()
            return "421 gone"
        if answer := self.at_data():
            return answer
        self.mails.append(envelope)
        return "250 OK"

    def login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any):
        name, password = data.login.decode(), data.password.decode()
        self.logins.append((name, password))
        return AuthResult(success=password == "open sesame", handled=False)

    def messages(self) -> list[EmailMessage]:
        """What came, parsed."""
        return [message_from_bytes(mail.content, policy=default) for mail in self.mails]

    def each_once(self) -> bool:
        """No mail came twice."""
        return max(Counter(m["Message-ID"] for m in self.messages()).values(), default=1) == 1


@contextmanager
def mail_server(inbox: Inbox, port: int = 0, **options: Any) -> Iterator[int]:
    """A server for `inbox` on a port of its own, which is given."""
    port = port or _free_port()
    controller = Controller(inbox, hostname=HOST, port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop(no_assert=True)


@contextmanager
def silent_server() -> Iterator[int]:
    """Takes connections and never says a word."""
    with socket.create_server((HOST, 0), backlog=200) as listener:
        yield int(listener.getsockname()[1])


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def text_of(message: EmailMessage) -> str:
    """The plain text of a mail."""
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def within(seconds: float) -> float:
    """A moment on the monotonic clock that must not be passed."""
    return time.monotonic() + seconds


@dataclass
class Habit:
    """What an odd server does; the rest is answered with 250."""

    offers: str = ""  # a line of its EHLO, like "AUTH NTLM"
    answers: dict[str, str] = field(default_factory=dict)  # verb -> instead of 250
    after_dot: str = "250 queued"  # "" to hang up
    seconds: float = 0.0  # between the final dot and that answer
    came: list[bytes] = field(default_factory=list)  # mails up to their final dot
    calm: Callable[[bytes], bool] = lambda _: False  # mails that are answered at once


@contextmanager
def odd_server(habit: Habit) -> Iterator[int]:
    """A server that follows `habit`, on a port of its own."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(b"220 odd ESMTP\r\n")
            while words := (await reader.readline()).split():
                verb = words[0].decode().upper()
                if verb == "DATA" and "DATA" not in habit.answers:
                    writer.write(b"354 go on\r\n")
                    mail = await reader.readuntil(b"\r\n.\r\n")
                    habit.came.append(mail)
                    calm = habit.calm(mail)
                    await asyncio.sleep(0 if calm else habit.seconds)
                    if not (calm or habit.after_dot):
                        break
                    said = "250 queued" if calm else habit.after_dot
                else:
                    hello = f"250-odd\r\n250-{habit.offers}\r\n250 HELP"
                    said = habit.answers.get(verb, hello if verb == "EHLO" else "250 OK")
                writer.write(f"{said}\r\n".encode())
        writer.close()

    serving = asyncio.start_server(talk, HOST, 0)
    server = asyncio.run_coroutine_threadsafe(serving, loop).result(10)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
