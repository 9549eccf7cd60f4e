"""Requests byte by byte, as no well-behaved client sends them. Answers are read to their end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from typing import Self

from starlette.types import ASGIApp

from blossomtune_gradio.tls import ServerCredentials
from blossomtune_gradio.web.limits import Door
from blossomtune_gradio.web.listener import Listener
from blossomtune_gradio.web.server import bound
from tests.support import free_port, wait_for


class Listening:
    """An ASGI app under the product's listener, in a thread. A context manager."""

    def __init__(
        self, app: ASGIApp, limits: Door, credentials: ServerCredentials | None = None
    ) -> None:
        """`credentials`: with TLS, as sites find it, and no Date of the listener's own."""
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._socket = bound("", "127.0.0.1", self.port)
        tls = {} if credentials is None else {"cert": credentials.cert, "key": credentials.key}
        self.listener = Listener(app, limits, date_header=credentials is None, **tls)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self.listener.serve([self._socket]))
        )

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: self.listener.started or not self._thread.is_alive())
        assert self.listener.started
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.should_exit = True
        self._thread.join(20)


def connect(port: int, *, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None):
    """A connection from one of the addresses of this machine (Linux has all of 127/8)."""
    plain = socket.create_connection(("127.0.0.1", port), 20, (source, 0))
    return tls.wrap_socket(plain, server_hostname="127.0.0.1") if tls else plain


def ask(port: int, request: bytes, **options: object) -> bytes:
    """Everything that comes back until the other side has no more to say."""
    with connect(port, **options) as sock:  # type: ignore[arg-type]
        sock.sendall(request)
        return rest(sock)


def rest(sock: socket.socket) -> bytes:
    """What still comes; b"" when the other side just hangs up."""
    found = b""
    try:
        while some := sock.recv(65536):
            found += some
            if _is_whole(found):
                break
    except (ConnectionResetError, ssl.SSLEOFError):
        pass
    return found


def status(answer: bytes) -> int:
    """Of the (last) answer; 0 for none."""
    found = [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    return int(found[-1].split()[1]) if found else 0


def is_open(sock: socket.socket) -> bool:
    """Whether the other side has not hung up; what it said is dropped."""
    sock.settimeout(0.01)
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return True
    except OSError:
        return False
    return False


def _is_whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return False
