"""Whether Flower's own requests get through to the server, or a proxy before it keeps them out.

One that nobody signed is sent: the SuperLink refuses it, and that refusal is the good answer. Then
one as large as a piece of a model is announced and not sent, as proxies have limits. One that only
counts the bytes as they come (Caddy) cannot be found out in this way.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from email.message import Message
from ssl import SSLSocket

from .kit import Site
from .server import opener
from .words import Fault

PATH = "/v1/fleet/pull-messages"
PIECE = 6_000_000
"""Bytes. Flower 1.42 sends models in pieces of 5 MB at most."""
RAISE_LIMIT = (
    "The admin has to raise its limit of bodies to 64 MiB (client_max_body_size in nginx; "
    "docs/proxies.md)."
)


def through(site: Site, seconds: float) -> str:
    """What answers Flower, as a sentence. Raises Fault when it is not our server."""
    request = urllib.request.Request(
        f"https://{site.superlink}{PATH}",
        data=b"",
        headers={"Content-Type": "application/protobuf"},
    )
    try:
        with opener(site).open(request, timeout=seconds) as answer:
            status, kind = answer.status, answer.headers.get_content_type()
    except urllib.error.HTTPError as error:
        status, kind = error.code, error.headers.get_content_type()
    except (OSError, http.client.HTTPException) as error:
        raise Fault(
            f"{site.superlink} hung up instead of answering Flower ({error!r}).",
            "try again; if it stays, ask the admin.",
            passing=True,
        ) from None
    return judged(status, kind)


def room_for_a_model(host: str, dial: Callable[[], SSLSocket]) -> None:
    """Whether a request of `PIECE` bytes may come; `dial` opens a connection, or raises OSError.

    Raises Fault when a proxy refuses it. One that says nothing, or that waits for the bytes, has
    nothing against it. We ourselves refuse it in plain text, as it is not signed.
    """
    with suppress(OSError, http.client.HTTPException), dial() as line:
        head = [
            f"POST {PATH} HTTP/1.1",
            f"Host: {host}",
            "Content-Type: application/protobuf",
            f"Content-Length: {PIECE}",
            "Expect: 100-continue",
        ]
        line.sendall("\r\n".join([*head, "", ""]).encode())
        with line.makefile("rb") as answer:
            status = answer.readline(1000).split()[1:2]
            headers: Message = http.client.parse_headers(answer)
        if status == [b"413"] and headers.get_content_type() != "text/plain":
            raise Fault(
                f"A proxy before the server takes no request of {PIECE // 10**6} MB (413), and "
                "models are larger.",
                RAISE_LIMIT,
                passing=True,
            )


def judged(status: int, kind: str) -> str:
    """Who answered: the SuperLink (401), our gateway for it (503 in plain text), or a proxy."""
    if status == 401:
        return "Flower's requests get through to the SuperLink."
    if status == 503 and kind == "text/plain":
        return "Flower's requests get through; the SuperLink is stopped or busy."
    if status in (502, 503, 504):
        raise Fault(
            f"A proxy before the server does not reach it (it answered {status}).",
            "try again later; if it stays, ask the admin.",
            passing=True,
        )
    raise Fault(
        f"A proxy before the server keeps Flower's requests out (POST {PATH} was answered "
        f"{status}, {kind}).",
        "ask the admin: the proxy has to pass all of /v1/fleet/ on, without a login of its own "
        "(docs/proxies.md); a Hugging Face Space has to be public.",
        passing=True,
    )
