"""The TLS listener for sites as the product runs it, and a join desk that answers behind it.

The gateway and the listener are the real ones; the desk is a server of its own that plays the
part of `POST /api/v1/join` from a table a test can write to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from importlib import metadata
from pathlib import Path
from typing import Any

import tomli_w
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blossomtune_gradio.services.sites import kit_files
from blossomtune_gradio.tls import ServerCredentials
from blossomtune_gradio.web.limits import FLEET, Door
from tests.raw_http import Listening


class Server(Listening):
    """An ASGI app behind the door for sites."""

    def __init__(
        self,
        app: ASGIApp,
        credentials: ServerCredentials,
        *,
        clock_ahead: float = 0,
        limits: Door = FLEET,
    ) -> None:
        """`clock_ahead`: seconds by which the Date of its answers is ahead of the truth."""
        super().__init__(_with_date(app, clock_ahead), limits, credentials)


def _with_date(app: ASGIApp, ahead: float) -> ASGIApp:
    async def dated(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_date(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(time.time() + ahead, usegmt=True).encode()
                message = {**message, "headers": [*message["headers"], (b"date", date)]}
            await send(message)

        await app(scope, receive, with_date)

    return dated


@dataclass
class Desk:
    """Answers join requests: `refusals` first, then as the server does that knows one token."""

    token: str = "one-time-token"
    superlink: str = ""
    partitions: int = 1
    registered: bool = True
    revoked: bool = False
    refusals: list[tuple[int, str]] = field(default_factory=list)
    """(status, detail) of the next answers."""
    register: Callable[[str], int] | None = None
    """Takes a public key in OpenSSH form, returns a node id."""
    keys: list[str] = field(default_factory=list)
    """The public keys that were handed in, one per request."""
    node_id: int = 0
    reports: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = await Request(scope, receive).json()
        if scope["path"].endswith("/report"):
            self.reports.append(asked)
            response = JSONResponse({"taken": True})
        else:
            response = await asyncio.to_thread(self._answer, asked)
        await response(scope, receive, send)

    def _answer(self, asked: dict[str, Any]) -> JSONResponse:
        if asked.get("check"):
            if asked["token"] != self.token:
                return _problem(401, "This token is not valid (any more). Get a new kit.")
            return JSONResponse({"site": "Charité"})
        self.keys.append(asked["public_key"])
        if self.refusals:
            return _problem(*self.refusals.pop(0))
        if self.revoked:
            return _problem(403, "Charité was revoked by an admin on 2026-11-22.")
        if asked["token"] != self.token:
            return _problem(401, "This token is not valid (any more). Get a new kit.")
        if asked["public_key"] != self.keys[0]:
            return _problem(409, "This kit was used with another key.")
        if self.register is not None and not self.node_id:
            self.node_id = self.register(asked["public_key"])
        answer = {"site": "Charité", "node_id": str(self.node_id) if self.node_id else None}
        answer |= {"partition_id": 0, "num_partitions": self.partitions}
        return JSONResponse(answer | {"superlink": self.superlink, "registered": self.registered})


def _problem(status: int, detail: str) -> JSONResponse:
    content = {"title": "Refused", "detail": detail, "status": status}
    return JSONResponse(content, status, media_type="application/problem+json")


def lay_out_kit(folder: Path, credentials: ServerCredentials, address: str, **more: Any) -> Path:
    """What the zip holds, unpacked; `more` replaces entries of site.toml. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in kit_files.programs():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "ca.pem").write_bytes(credentials.ca_cert.read_bytes())
    values = {
        "site": "Charité",
        "superlink": address,
        "join_url": f"https://{address}/api/v1/join",
        "ca_fingerprint": credentials.ca_fingerprint,
        "token": "one-time-token",
        "partition_id": 0,
        "num_partitions": 1,
        "flwr": metadata.version("flwr"),
        "preload": ["numpy", "no_such_module"],
    } | more
    (folder / "site.toml").write_text(tomli_w.dumps(values), encoding="utf-8")
    return folder
