"""How the page's public address looks from outside: one walk as a site takes it.

Surprise: many networks do not let a server reach its own public address, so silence proves
nothing; only an answer does.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

import httpx

_SECONDS = 8.0
_FLOWER = "/v1/fleet/pull-messages"


@dataclass(frozen=True)
class Sight:
    """What was seen; the sentence says what to do where it is not good."""

    good: bool
    sentence: str


def seen(url: str, ca: bytes | None = None) -> Sight:
    """Ask `url` (like https://fl.example.org) for the page and as a SuperNode does.

    `ca`: the certificates (PEM) that kits have; None: the public CAs, as at a site.
    """
    try:
        with httpx.Client(verify=_trust(ca), timeout=_SECONDS) as client:
            page = client.get(f"{url}/healthz")
            headers = {"content-type": "application/protobuf"}
            flower = client.post(f"{url}{_FLOWER}", headers=headers)
    except httpx.ConnectError as error:
        if why := _distrust(error):
            return Sight(
                False,
                f"{url} shows a certificate that sites do not take ({why}). Get one of a public "
                "CA, or name its CA in BLOSSOMTUNE_SITES_CA and hand out new kits.",
            )
        return Sight(True, f"{url} cannot be seen from here ({error}); look from elsewhere.")
    except (httpx.HTTPError, OSError, ValueError, ImportError) as error:
        return Sight(True, f"{url} cannot be seen from here ({error}); look from elsewhere.")
    return _judged(url, page, flower)


def _judged(url: str, page: httpx.Response, flower: httpx.Response) -> Sight:
    if page.status_code != 200 or not page.text.startswith('{"status":"ok"'):
        return Sight(
            False,
            f"{url} answers {page.status_code} and not with our page: the proxy passes requests on "
            "to something else, or wants a login first. A Space must be public.",
        )
    ours = flower.status_code == 503 and flower.headers.get("content-type", "")[:10] == "text/plain"
    if flower.status_code != 401 and not ours:
        return Sight(
            False,
            f"{url} passes the page on, but not Flower: POST {_FLOWER} is answered "
            f"{flower.status_code}. Have the proxy pass on /v1/fleet/, too (docs/proxies.md).",
        )
    return Sight(True, f"{url} is seen from here, by Flower, too.")


def _trust(ca: bytes | None) -> ssl.SSLContext | bool:
    if ca is None:
        return True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca.decode("ascii"))
    return context


def _distrust(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return ""
