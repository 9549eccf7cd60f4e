"""The outer doors: which hosts, origins and paths are answered at all. Plain ASGI.

The list is made of the pages and routes that are behind them, and of what Gradio's page asks for.
All else is 404, so a new Gradio release cannot open a door by itself.
Surprise: in local mode the Host header decides too, because a web page elsewhere can point its own
name at 127.0.0.1 and would then be let in by the browser as our own page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blossomtune_gradio.web import policy
from blossomtune_gradio.web.problems import problem

_UNSAFE = frozenset(("POST", "PUT", "PATCH", "DELETE"))
# What the page of Gradio 6.31 asks for. Left out on purpose: /gradio_api/{upload,file,run,call,api,
# info,proxy,deep_link,runs,...}, /monitoring, /openapi.json.
_GRADIO = re.compile(
    r"/(config|theme\.css|favicon\.ico|manifest\.json|robots\.txt)"
    r"|/(assets|static)/[\w./@-]+"
    r"|/gradio_api/(queue/(join|data)|component_server|cancel|reset|startup-events|app_id)/?"
    r"|/gradio_api/heartbeat/[\w-]+"
)
_FOR_A_YEAR = (b"cache-control", b"public, max-age=31536000, immutable")
_YEAR_OF_HTTPS = (b"strict-transport-security", b"max-age=31536000")
_METHODS = frozenset(("GET", "HEAD", *_UNSAFE))  # OPTIONS is asked by other sites only
_FOREIGN = (b"access-control-",)  # Gradio would let any other site read its answers


class Doors:
    """Refuses unknown paths, foreign hosts and cross-site requests; adds headers for safety."""

    def __init__(
        self,
        app: ASGIApp,
        hosts: Iterable[str],
        *,
        pages: Iterable[str],
        routes: Sequence[BaseRoute],
        https: bool = False,
        on_space: bool = False,
    ) -> None:
        """`hosts` are the names (without port) this server answers to; empty: any.

        `pages` are the paths of Gradio's pages, `routes` our own without Gradio's.

        Raises:
            ValueError: a route is behind every path, so that nothing would be closed.
        """
        self._app, self._hosts = app, frozenset(hosts)
        self._pages = frozenset(path for page in pages for path in (f"/{page}", f"/{page}/"))
        self._routes = tuple(routes)
        if self._is_ours("GET", "/no/such/door"):
            raise ValueError("A route answers to every path, so the doors would close nothing.")
        self._always = [
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"same-origin"),
            (policy.HEADER, policy.framed_by(on_space=on_space)),
            *([_YEAR_OF_HTTPS] if https else []),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no WebSocket is spoken here
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        path = scope["path"]
        send = _with_headers(send, self._always, lasting=path.startswith("/assets/"))
        if self._hosts and _host_name(headers.get("host", "")) not in self._hosts:
            await _answer(send, 400, "This server does not answer to that host name.")
        elif not self._is_known(scope["method"], path):
            if path.startswith("/api/v1/"):  # a line break in it: still the language of the API
                await problem(404, "There is nothing under this address.")(scope, receive, send)
            else:
                await _answer(send, 404)
        elif scope["method"] not in _METHODS:
            await _answer(send, 405)
        elif _needs_own_origin(scope["method"], path) and _is_cross_site(headers):
            await _answer(send, 403, "Requests from other sites are refused. Open the page itself.")
        else:
            await self._app(scope, receive, send)

    def _is_known(self, method: str, path: str) -> bool:
        return (
            path in self._pages
            or _GRADIO.fullmatch(path) is not None
            or self._is_ours(method, path)
        )

    def _is_ours(self, method: str, path: str) -> bool:
        """With the method, as Gradio has routes of the same names that must not be reached."""
        scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
        return any(route.matches(scope)[0] is Match.FULL for route in self._routes)


def _needs_own_origin(method: str, path: str) -> bool:
    return method in _UNSAFE or path.startswith("/download/")


def _is_cross_site(headers: dict[str, str]) -> bool:
    """Sec-Fetch-Site where the browser sends it, else Origin against Host."""
    if site := headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")
    origin = headers.get("origin")  # "null" from a sandboxed frame: foreign as well
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def _host_name(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""


def _with_headers(send: Send, always: list[tuple[bytes, bytes]], *, lasting: bool) -> Send:
    """Adds `always`, takes away what opens answers to other sites.

    What has no policy of its own, as pages have, may do nothing in a browser.
    Asset names carry a hash of their content, so a browser need not ask for them again.
    """

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [h for h in message["headers"] if not h[0].lower().startswith(_FOREIGN)]
            for_long = [_FOR_A_YEAR] if lasting and message["status"] == 200 else []
            told = any(h[0].lower() == policy.HEADER for h in kept)
            alone = [] if told else [(policy.HEADER, policy.NOTHING)]
            message = {**message, "headers": [*kept, *alone, *always, *for_long]}
        await send(message)

    return with_headers


async def _answer(send: Send, status: int, sentence: str = "") -> None:
    body = sentence.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
