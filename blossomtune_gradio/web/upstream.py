"""HTTP/1.1 connections to the SuperLink, kept open and used again.

Job: carry one request and its answer at a time, both streamed, with back-pressure both ways.
Limits: TLS only, one origin at a time, no redirects, no retries (a streamed body cannot be sent
twice; SuperNodes retry by themselves). Surprise: this is not httpx. For 17 MB there and back httpx
took 2.5 times the processor time, and for a small request 4 times (3 ms instead of 0.75), which
is what a poll every three seconds of every site consists of. The parser is httptools, which Flower
brings along with uvicorn.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httptools

from blossomtune_gradio.errors import FlowerUnreachable
from blossomtune_gradio.web.tls_buffer import read_more

Headers = list[tuple[bytes, bytes]]

BUFFER = 512 * 1024  # bytes per direction before the faster side has to wait
IDLE_SECONDS = 3.0  # uvicorn, which serves the SuperLink, hangs up after 5 idle seconds
MAX_IDLE = 32  # connections kept for later


class Connection(asyncio.Protocol):
    """One connection. `begin`, `write` until all is sent, then `head`, then `read` until empty."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._news = asyncio.Event()
        self._lost = False
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: Headers = []
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._has_head = self._complete = self._sent_all = self._keep_alive = False

    # What a request does.

    def begin(self, head: bytes) -> None:
        """Send request line and headers (with the empty line that ends them)."""
        self._reset()
        self._open().write(head)

    async def write(self, data: bytes) -> bool:
        """Send a piece of the body. False: the answer is there already, do not send the rest."""
        await self._writable.wait()
        if self._has_head:
            return False
        self._open().write(data)
        return True

    def sent_all(self) -> None:
        """The whole body was sent: once the answer is read too, the connection is clean."""
        self._sent_all = True

    async def head(self) -> tuple[int, Headers]:
        """Status and headers of the answer, as soon as they are there."""
        while not self._has_head:
            await self._wait()
        return self.status, self.headers

    async def read(self) -> bytes:
        """The next piece of the answer's body; empty at its end."""
        while not self._chunks:
            if self._complete:
                return b""
            await self._wait()
        data = self._chunks.popleft() if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._buffered = 0
        if self._transport is not None:
            self._transport.resume_reading()
        return data

    @property
    def reusable(self) -> bool:
        """The last exchange is over and the connection can carry another one."""
        return (
            self._complete
            and self._sent_all
            and not self._lost
            and self._transport is not None
            and not self._transport.is_closing()
            and self._keep_alive
        )

    def close(self) -> None:
        """Drop the connection, and with it whatever was under way."""
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        if self._lost:
            raise FlowerUnreachable("The SuperLink closed the connection. Try again in a moment.")
        self._news.clear()
        await self._news.wait()

    def _open(self) -> asyncio.Transport:
        if self._transport is None or self._lost:
            raise FlowerUnreachable("The SuperLink closed the connection. Try again in a moment.")
        return self._transport

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none, it only acts so
        self._transport.set_write_buffer_limits(high=BUFFER)
        read_more(transport)
        self._writable.set()

    def connection_lost(self, _: Exception | None) -> None:
        self._lost = True
        self._news.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._lost = True
            self.close()
        if self._buffered > BUFFER and self._transport is not None:
            self._transport.pause_reading()
        self._news.set()

    # What httptools calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue: the real answer follows
            self.headers = []
            return
        self.status = status
        self._keep_alive = self._parser.should_keep_alive()  # once it is read, the parser forgot
        self._has_head = True
        self._writable.set()  # wakes a sender that the SuperLink no longer listens to

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._buffered += len(body)

    def on_message_complete(self) -> None:
        self._complete = self._has_head


class Pool:
    """Connections to the SuperLink, wherever it is at the moment."""

    def __init__(self, ca_cert: Path, *, connect_seconds: float = 5) -> None:
        self._ca_cert = ca_cert
        self._connect_seconds = connect_seconds
        self._tls: ssl.SSLContext | None = None
        self._origin = ""
        self._idle: deque[tuple[float, Connection]] = deque()

    async def take(self, origin: str) -> Connection:
        """A connection to `origin` ("https://host:port") that nobody else uses.

        Raises:
            FlowerUnreachable: nobody answers there, or not with a certificate of our CA.
        """
        if origin != self._origin:  # the SuperLink was started again, on another port
            self.close()
            self._origin = origin
        while self._idle:
            since, connection = self._idle.pop()
            if connection.reusable and time.monotonic() - since < IDLE_SECONDS:
                return connection
            connection.close()
        return await self._connect(origin)

    def give_back(self, origin: str, connection: Connection) -> None:
        """End of an exchange: keep the connection if it can be used again."""
        if not connection.reusable or origin != self._origin:
            connection.close()
            return
        self._idle.append((time.monotonic(), connection))
        while len(self._idle) > MAX_IDLE or time.monotonic() - self._idle[0][0] > IDLE_SECONDS:
            self._idle.popleft()[1].close()

    def close(self) -> None:
        """Hang up all connections that are not in use."""
        while self._idle:
            self._idle.pop()[1].close()

    async def _connect(self, origin: str) -> Connection:
        address = urlsplit(origin)
        try:
            async with asyncio.timeout(self._connect_seconds):
                _, connection = await asyncio.get_running_loop().create_connection(
                    Connection, address.hostname or "", address.port or 443, ssl=self._context()
                )
        except (OSError, TimeoutError) as error:  # a refused certificate is an OSError as well
            raise FlowerUnreachable(
                "The SuperLink does not answer. Try again in a moment."
            ) from error
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=str(self._ca_cert))
        return self._tls
