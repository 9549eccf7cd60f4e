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
import uvicorn
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.ui.page import build_page, mount_options
from blossomtune_gradio.web.doors import Doors
from blossomtune_gradio.web.fleet import FleetGateway, fleet_app
from blossomtune_gradio.web.login import current_user
from blossomtune_gradio.web.routes import bare_api, join_router, page_router

_START_SECONDS, _STOP_SECONDS = 60.0, 10
_LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


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
        self._servers: list[uvicorn.Server] = []
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the page is."""
        host = self._application.settings.host
        return f"http://{host}:{self._page_socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        """Build the apps and answer requests from now on."""
        gateway = FleetGateway(
            lambda: self._application.federation.upstream,
            self._application.credentials.ca_cert,
            traffic=self._application.traffic,
        )
        self._servers = [
            _server(page_app(self._application, gateway)),
            _server(self._fleet_app(gateway), self._application),
        ]
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
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
        api.include_router(join_router(self._application))
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
    api = bare_api()
    api.include_router(page_router(application))
    api.include_router(join_router(application))
    small = GZipMiddleware(_pages(application, api), minimum_size=1024, compresslevel=6)
    guarded = Doors(small, _LOCAL_HOSTS)  # a page is 90 kB of text, its assets are packed already

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        fleet = scope["type"] == "http" and scope["path"].startswith("/v1/fleet/")
        await (gateway if fleet else guarded)(scope, receive, send)

    return app


def _pages(application: Application, api: FastAPI) -> ASGIApp:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "SSR mode is not supported")  # it was not asked for
        app: ASGIApp = gr.mount_gradio_app(
            api,
            build_page(application, current_user),
            path="/",
            run_history=False,
            mcp_server=False,
            enable_monitoring=False,
            footer_links=[],
            max_file_size="1kb",
            ssr_mode=False,
            **mount_options(),
        )
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


def _server(app: ASGIApp, tls: Application | None = None) -> uvicorn.Server:
    certificate = tls.credentials if tls else None
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            timeout_graceful_shutdown=_STOP_SECONDS,
            server_header=False,
            ssl_certfile=certificate and str(certificate.cert),
            ssl_keyfile=certificate and str(certificate.key),
        )
    )
