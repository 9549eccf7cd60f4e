"""Whether Flower's own requests get through to the server, or a proxy before it keeps them out.

One that nobody signed is sent: the SuperLink refuses it, and that refusal is the good answer.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request

from .kit import Site
from .server import opener
from .words import Fault

PATH = "/v1/fleet/pull-messages"


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
