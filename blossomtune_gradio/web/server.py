"""One FastAPI app on the page's port, one small TLS app for the sites, one event loop for both.

The loop runs in a thread of its own, so that a terminal command, a test or a signal handler can
drive the application beside it. Surprise: sockets are bound before anything is built; a taken port
is told in a sentence and nothing has to be undone.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import warnings
from types import TracebackType
from typing import Self

import gradio as gr
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.services.sites.announcements import Announcements
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.ui.page import PAGES, build_page, mount_options
from blossomtune_gradio.ui.preloads import preloads, style_link
from blossomtune_gradio.ui.sessions import keep_light_sessions
from blossomtune_gradio.web.api import PREFIX, rest_api
from blossomtune_gradio.web.bodies import BodyLimit
from blossomtune_gradio.web.doors import Doors
from blossomtune_gradio.web.downloads import download_router
from blossomtune_gradio.web.early import EarlyHead
from blossomtune_gradio.web.forwarded import Forwarded, Trusted
from blossomtune_gradio.web.gateway import FleetGateway, fleet_app
from blossomtune_gradio.web.limits import FLEET, PAGE, QUEUED, SESSIONS
from blossomtune_gradio.web.listener import Listener
from blossomtune_gradio.web.login import current_user, login_router, who_asks
from blossomtune_gradio.web.parts import parts_router
from blossomtune_gradio.web.routes import bare_api, join_router, page_router
from blossomtune_gradio.web.sessions import Cookies
from blossomtune_gradio.web.turns import Turns

_START_SECONDS, _STOP_SECONDS = 60.0, 10


class WebServer:
    """Serves an application until it is closed. Use it as a context manager."""

    def __init__(self, application: Application) -> None:
        """Bind both ports.

        Raises:
            SettingsError: a port is in use or may not be bound.
        """
        settings = application.settings
        self._application = application
        self._page_socket = bound("BLOSSOMTUNE_PORT", settings.host, settings.port)
        try:
            self._fleet_socket = bound(
                "BLOSSOMTUNE_FLEET_PORT", settings.fleet_host, settings.fleet_port
            )
        except SettingsError:
            self._page_socket.close()
            raise
        application.fleet_port = self._fleet_socket.getsockname()[1]
        self._servers: list[Listener] = []
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Port the page listens on, also where it is reached at another."""
        port: int = self._page_socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where the page is."""
        settings = self._application.settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        here = f"{host}:{self.port}"
        return settings.public_url or f"{'https' if settings.tls_cert else 'http'}://{here}"

    def __enter__(self) -> Self:
        """Build the apps and answer requests from now on."""
        gateway = FleetGateway(
            lambda: self._application.superlink.upstream,
            self._application.credentials.ca_cert,
            traffic=self._application.traffic,
            handover=self._application.handover,
            announcements=Announcements(self._application.superlink.messages),
            on_forgery=self._application.forgeries.tell,
            registered=self._application.sites.is_registered,
        )
        credentials = self._application.credentials
        self._servers = [
            _page_listener(page_app(self._application, gateway), self._application.settings),
            Listener(self._fleet_app(gateway), FLEET, cert=credentials.cert, key=credentials.key),
        ]
        run = self._application.loops.theirs(self._run)
        self._thread = threading.Thread(target=run, name="web", daemon=True)
        self._thread.start()
        if not self._wait_until_started():
            self.close()
            raise SettingsError("The web server did not start; see the messages above.")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering; returns when both ports are free."""
        for server in self._servers:
            server.should_exit = True
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS + 5)
        self._page_socket.close()
        self._fleet_socket.close()

    def _fleet_app(self, gateway: FleetGateway) -> ASGIApp:
        api = bare_api()
        api.include_router(join_router(self._application, by_page=False))
        return fleet_app(gateway, api)

    def _run(self) -> None:
        async def both() -> None:
            sockets = (self._page_socket, self._fleet_socket)
            await asyncio.gather(
                *(server.serve([sock]) for server, sock in zip(self._servers, sockets, strict=True))
            )

        asyncio.run(both())

    def _wait_until_started(self) -> bool:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._thread is not None and self._thread.is_alive():
            if all(server.started for server in self._servers):
                return True
            time.sleep(0.02)
        return False


def page_app(application: Application, gateway: FleetGateway) -> ASGIApp:
    """Everything on the page's port: our routes, the gateway, the Gradio pages, the doors."""
    settings = application.settings
    cookies = Cookies(
        settings.data_dir / "session.key", https=settings.is_https, hours=settings.session_hours
    )
    pages = build_page(application, current_user)
    api = page_api(application, cookies)
    ours = tuple(api.routes)  # before Gradio's, which answer to every path
    mounted = with_pages(pages, api)
    inside = EarlyHead(mounted, preloads(pages), style_link())
    # A page is 90 kB of text; its assets are packed already.
    small = GZipMiddleware(inside, minimum_size=1024, compresslevel=6)
    turns = Turns(who_asks(small, application, cookies), cookies.session_id)
    guarded = Doors(
        BodyLimit(turns),
        settings.hosts,
        pages=[page.path for page in PAGES],
        routes=ours,
        https=settings.is_https,
        on_space=bool(settings.space_hosts),
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        fleet = scope["type"] == "http" and scope["path"].startswith("/v1/fleet/")
        await (gateway if fleet else guarded)(scope, receive, send)

    return Forwarded(app, Trusted(settings.trusted_proxies))


def page_api(application: Application, cookies: Cookies) -> FastAPI:
    """Our own routes on the page's port."""
    api = bare_api()
    api.include_router(page_router(application))
    api.include_router(join_router(application, by_page=True))
    api.include_router(login_router(application, cookies))
    api.include_router(download_router(application))
    api.include_router(parts_router())
    api.mount(PREFIX, rest_api(application))
    return api


def with_pages(pages: gr.Blocks, api: FastAPI) -> ASGIApp:
    """`api` with the Gradio pages below it."""
    pages.queue(max_size=QUEUED)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "SSR mode is not supported")  # it was not asked for
        app: ASGIApp = gr.mount_gradio_app(
            api,
            pages,
            path="/",
            run_history=False,
            mcp_server=False,
            enable_monitoring=False,
            footer_links=[],
            max_file_size="1kb",
            ssr_mode=False,
            **mount_options(),
        )
    keep_light_sessions(api.routes, SESSIONS)
    return app


def bound(variable: str, host: str, port: int) -> socket.socket:
    """A listening socket, or a sentence that names the setting to change."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(128)
    except OSError as error:
        made.close()
        raise SettingsError(
            f"Nothing can listen on {host}:{port} ({error.strerror}). End the program that uses "
            f"it, or set {variable} to another port."
        ) from error
    return made


def port_is_free(host: str, port: int) -> bool:
    """Whether `bound` would succeed at this moment."""
    try:
        bound("", host, port).close()
    except SettingsError:
        return False
    return True


def _page_listener(app: ASGIApp, settings: Settings) -> Listener:
    return Listener(
        app,
        PAGE,
        cert=settings.tls_cert,
        key=settings.tls_key,
        proxies=Trusted(settings.trusted_proxies),
    )
