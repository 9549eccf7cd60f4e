"""A uvicorn server that counts a connection before it speaks TLS with it.

uvicorn leaves accepting to asyncio, which has no idea of how many there are and keeps whoever says
nothing for a minute. Here each connection takes its `Place` first. Surprise: an open file is the
scarcest thing of all; without one neither a database nor a child program can be opened, so the
number of connections follows what the system allows.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from blossomtune_gradio.web.forwarded import Trusted
from blossomtune_gradio.web.limits import Door
from blossomtune_gradio.web.places import Place, Places
from blossomtune_gradio.web.protocol import Protocol

_STOP_SECONDS = 10
_WANTED_FILES = 16_384
_KEPT_FILES = 512  # for the database, logs, child programs, connections to the SuperLink
_TOO_MANY = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_PROXY = "a trusted proxy"


class Listener(uvicorn.Server):  # type: ignore[misc]
    """Serves `app` on the sockets given to `serve`, within `limits`."""

    def __init__(
        self,
        app: ASGIApp,
        limits: Door,
        *,
        cert: Path | None = None,
        key: Path | None = None,
        proxies: Trusted | None = None,
        date_header: bool = True,
    ) -> None:
        """With `cert` and `key` it speaks TLS. Connections of `proxies` are not strangers'."""
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                timeout_graceful_shutdown=_STOP_SECONDS,
                timeout_keep_alive=limits.idle_seconds,
                server_header=False,
                date_header=date_header,
                proxy_headers=False,  # forwarded.py does it
                ws="none",
                ssl_certfile=cert and str(cert),
                ssl_keyfile=key and str(key),
            )
        )
        self._limits = limits = within_open_files(limits)
        self._proxies = proxies or Trusted(())
        self.places = Places(limits)
        self._tasks: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen from now on."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            self.should_exit = True
            return
        self.servers: list[asyncio.Server] = []  # which uvicorn would close
        for listening in sockets or []:
            listening.setblocking(False)
            listening.listen(self._limits.backlog)
            self._start(self._accept(listening))
        self._start(self._sweep())
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connection, let what is under way come to its end, but not for ever."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._start(self._sweep())
        await super().shutdown(sockets)
        for task in list(self._tasks):
            task.cancel()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listening)
                # asyncio sets it only where a socket says that it is one of TCP; ours does not.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:  # or the other side has gone again
                if error.errno in _TOO_MANY:
                    self.places.make_room()
                    await asyncio.sleep(0.05)
                continue
            host = str(address[0])
            place = self.places.admit(host, owner=_PROXY if host in self._proxies else "")
            if place is None:
                connection.close()
            else:
                place.late = place.evict = self._start(self._greet(connection, place)).cancel
            await asyncio.sleep(0)  # a flood of connections must not keep the requests waiting

    async def _greet(self, connection: socket.socket, place: Place) -> None:
        def protocol() -> Protocol:
            return Protocol(
                self.config,
                self.server_state,
                self.lifespan.state,
                place=place,
                limits=self._limits,
                left=self.places.leave,
            )

        tls = self.config.ssl
        seconds = self._limits.handshake_seconds if tls else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                protocol, connection, ssl=tls, ssl_handshake_timeout=seconds
            )
        except (OSError, asyncio.CancelledError):  # no TLS, too slow, or gone
            self.places.leave(place)
            connection.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.places.sweep()


def within_open_files(limits: Door) -> Door:
    """`limits`, with as many connections as the system lets us have; raises what may be raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, _WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft == resource.RLIM_INFINITY:
        return limits
    # Two listeners share them, and a request of a site has a second one to the SuperLink.
    most = max(32, (soft - _KEPT_FILES) // 4)
    if limits.connections <= most:
        return limits
    return replace(limits, connections=most, half_open=min(limits.half_open, most // 2))
