"""What we ask the federation's server over HTTPS."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, NoReturn

from . import trust
from .kit import Site, proof
from .surroundings import proxy_for
from .words import REFUSED, REVOKED, Problem, Unreachable

_ADVICE = {
    401: "Get a new kit and put its site.toml here; keep site.key.",
    403: "Ask the admin of the federation if you think this is a mistake.",
    409: "Get a new kit.",
    422: "Move site.key away; the next start makes a new one.",
}
_LATER = (429, 500, 502, 503, 504)


def ask(site: Site, key: str) -> dict[str, Any]:
    """Hand the public key in (again); the answer says where to connect and as what.

    Raises:
        Unreachable: nobody answers, or the server is not ready.
        Problem: the server refuses us for good.
    """
    content = {"token": site.token, "public_key": key, "proof": proof(site)}
    return post(site, site.join_url, content)


def ask_whether_welcome(site: Site, key: str) -> dict[str, Any]:
    """What would happen to token and key ("" while there is none); uses neither up.

    Raises as `ask` does.
    """
    return post(site, site.join_url, {"token": site.token, "public_key": key, "check": True})


def hand_report_in(site: Site, report: dict[str, Any]) -> None:
    """Tell the admin how this site is. Raises as `ask` does."""
    post(site, f"{site.join_url}/report", {"token": site.token, **report})


def post(site: Site, url: str, content: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        url,
        data=json.dumps(content).encode(),
        headers={"Content-Type": "application/json", "Accept": "application/json"},
    )
    try:
        with opener(site).open(request, timeout=20) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        refused(error.code, problem_detail(error))
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise Problem(
                f"{url} answers with a certificate that {trust.voucher(site)} does not vouch for "
                f"({reason.verify_message}).",
                "Run join.py --check: it names who stands there.",
            ) from None
        raise Unreachable(f"{url} does not answer ({reason})") from None


def opener(site: Site) -> urllib.request.OpenerDirector:
    """HTTPS; through the proxy that Flower uses, never for this machine."""
    host = urllib.parse.urlsplit(site.join_url).hostname or ""
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({"https": proxy} if (proxy := proxy_for(host)) else {}),
        urllib.request.HTTPSHandler(context=trust.context(site)),
    )


def problem_detail(error: urllib.error.HTTPError) -> str:
    """What our server says of it.

    Raises Unreachable when the words are not ours: the page of a proxy, whatever its status, is no
    refusal, and must not make a site give up for good.
    """
    try:
        if error.headers.get_content_type() == "application/problem+json":
            return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError, OSError):
        pass
    raise Unreachable(
        f"{error.url} answered {error.code} {error.reason}, and not in our server's words"
    )


def refused(status: int, detail: str) -> NoReturn:
    if status in _LATER:
        raise Unreachable(detail)
    code = REVOKED if status == 403 else REFUSED
    raise Problem(detail, _ADVICE.get(status, "Ask the admin of the federation."), code)
