"""One connection of a listener: HTTP/1.1 as uvicorn speaks it, with limits and without ambiguity.

Refused before any app sees it: a head that is too big or too slow, a body that is too slow, a
request that two readers could read in two ways (two Hosts, two lengths, two Origins, a Host with a
user in it, a target that names another host). Surprise: what is refused gets its answer, and what
it still sends is read and dropped for a while; closing at once would reset the connection, and the
answer would never arrive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from blossomtune_gradio.web.heads import Refused, check_head
from blossomtune_gradio.web.limits import Door
from blossomtune_gradio.web.places import Place, Stage
from blossomtune_gradio.web.tls_buffer import read_more

PLACE = "blossomtune.place"
"""Key in the ASGI scope: the `Place` of the connection a request came by."""


class Protocol(HttpToolsProtocol):  # type: ignore[misc]
    """Uvicorn's protocol, which asks `limits` and tells its `place` how far it has got."""

    def __init__(
        self,
        config: Config,
        state: ServerState,
        app_state: dict[str, Any],
        *,
        place: Place,
        limits: Door,
        left: Callable[[Place], None],
    ) -> None:
        """`left` is called once the connection is gone."""
        super().__init__(config, state, app_state)
        self._place, self._limits, self._left = place, limits, left
        self._in_head = self._began = self._refused = False
        self._head = self._headers = self._body = 0
        self._body_since = 0.0

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake, if there is one, is over."""
        super().connection_made(transport)
        self._place.late, self._place.evict = self._time_is_up, self.transport.abort
        self._place.known = lambda: read_more(transport)
        self._place.enter(Stage.HEAD, self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone, by whoever's will."""
        self._left(self._place)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and count what it has not yet made a request of."""
        if self._refused:
            return
        self._unset_keepalive_if_required()
        if self._place.stage is Stage.IDLE:
            self._place.enter(Stage.HEAD, self._limits.head_seconds)
        inside, clean = self._in_head, self._place.stage is Stage.HEAD
        self._began = False
        try:
            self.parser.feed_data(data)
            if self._in_head:
                before = self._head if inside and not self._began else 0
                self._head = before + (len(data) if clean or inside else 0)
                self._check_size()
        except httptools.HttpParserUpgrade:
            return  # no other protocol is spoken here: the request is answered as it is
        except Refused as refusal:
            self._refuse(refusal.status, refusal.sentence)
        except httptools.HttpParserError as error:
            why = error.__context__
            if isinstance(why, Refused):
                self._refuse(why.status, why.sentence)
            else:
                self._refuse(400, "This is not a request in HTTP/1.1.")

    def pause_writing(self) -> None:
        """The other side takes less than we have for it."""
        super().pause_writing()
        self._place.deadline = self.loop.time() + self._limits.answer_seconds

    def resume_writing(self) -> None:
        """It took something."""
        super().resume_writing()
        if self._place.stage is Stage.ANSWER:
            self._place.deadline = float("inf")

    # What httptools calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = self._began = True
        self._headers = self._body = self._head = 0
        self.scope[PLACE] = self._place

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header is whole."""
        self._headers += 1
        if self._headers > self._limits.headers:
            raise Refused(431, f"A request has at most {self._limits.headers} headers.")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: start the app, unless it could mean two things."""
        self._in_head = False
        self._head = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        self._check_size()
        if len(self.pipeline) >= self._limits.pipelined:
            raise Refused(400, "Wait for answers before sending more requests.")
        check_head(self.url, self.headers, self.parser.get_http_version())
        super().on_headers_complete()
        self._wait_for_the_rest()

    def on_body(self, body: bytes) -> None:
        """A piece of the body; each moves the deadline on by what a slow line would need."""
        self._body += len(body)
        if not self.cycle.response_complete:
            self._place.hold(len(body))
            self._place.deadline = (
                self._body_since + self._limits.body_seconds + self._body / self._limits.body_rate
            )
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        super().on_message_complete()
        if self.cycle.response_complete:  # the rest of one that was refused
            self._place.enter(Stage.IDLE, self._limits.idle_seconds)
        else:
            self._place.enter(Stage.ANSWER)

    def on_response_complete(self) -> None:
        """The answer is written."""
        self._place.release()
        super().on_response_complete()
        if not self.cycle.response_complete:  # that of a request which was sent ahead
            self._wait_for_the_rest()
        elif self.cycle.more_body:
            self._place.enter(Stage.BODY, self._limits.drain_seconds)
        elif self._in_head:
            self._place.enter(Stage.HEAD, self._limits.head_seconds)
        else:
            self._place.enter(Stage.IDLE, self._limits.idle_seconds)

    def _wait_for_the_rest(self) -> None:
        if self.cycle.more_body:
            self._body_since = self.loop.time()
            self._place.enter(Stage.BODY, self._limits.body_seconds)
        else:
            self._place.enter(Stage.ANSWER)

    # Endings.

    def _check_size(self) -> None:
        if self._head > self._limits.head_bytes:
            most = self._limits.head_bytes // 1024
            raise Refused(431, f"A request has at most {most} KiB before its body.")

    def _time_is_up(self) -> None:
        """Called by the places: the deadline has passed."""
        stage, place = self._place.stage, self._place
        if stage is Stage.BODY and self.flow.read_paused:
            place.deadline = self.loop.time() + 1  # not his fault: we are not reading
        elif (stage is Stage.HEAD and self._in_head) or (
            stage is Stage.BODY and not self.cycle.response_started
        ):
            self._refuse(408, "The request came too slowly.")
        else:
            self.transport.abort()

    def _refuse(self, status: int, sentence: str) -> None:
        """The last answer on this connection; never into the midst of another."""
        cycle = self.cycle
        if self.pipeline or (cycle and cycle.response_started and not cycle.response_complete):
            self.transport.abort()
            return
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # what the app may still say has nobody to hear it
            cycle.message_event.set()
        self._refused = True
        self.flow.resume_reading()
        text = sentence.encode()
        lines = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            "content-type: text/plain; charset=utf-8",
            f"content-length: {len(text)}",
            "connection: close",
        )
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + text)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._place.release()
        self._place.enter(Stage.CLOSING, 2)

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing to warn of: anybody can send such a header."""
