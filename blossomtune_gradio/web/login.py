"""Signing in and out, and who is asking: one answer for our routes and for Gradio's callbacks.

`who_asks` is put in front of all apps of the page's port; `current_user` asks it. In local mode,
without any provider, everybody on this machine is the one local admin. Surprise: a request that
came through a proxy is not from this machine, whatever address it arrives from.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import BlossomError
from blossomtune_gradio.identity import LOCAL_ADMIN, STRANGER, Role, User
from blossomtune_gradio.settings import is_loopback
from blossomtune_gradio.web.forwarded import VIA_PROXY
from blossomtune_gradio.web.oauth import OAuthClients
from blossomtune_gradio.web.pages import refused, sign_in_page
from blossomtune_gradio.web.sessions import Cookies
from blossomtune_gradio.web.sign_in_refused import SignInRefused

_WHO = "blossomtune.who"  # key in the ASGI scope
# One slash, then only what our own addresses are made of: no way to another host.
_OWN_PATH = re.compile(r"/(?!/)[\w/.~%&=?-]*", re.ASCII)


class Asked(Protocol):
    """What Starlette's and Gradio's requests have in common."""

    @property
    def client(self) -> Any:
        """The address of the other side, with its `host`; None when it cannot be told."""


def current_user(request: Asked) -> User:
    """The user behind a request; a stranger where nobody can tell."""
    asked: Any = getattr(request, "request", request)  # Gradio's wraps Starlette's
    who: Callable[[Request], User] | None = getattr(asked, "scope", {}).get(_WHO)
    return who(asked) if who else STRANGER


def who_asks(app: ASGIApp, application: Application, cookies: Cookies) -> ASGIApp:
    """`app`, with the answer to `current_user` in the scope of each request."""

    def signed_in(request: Request) -> User:
        return application.accounts.user_of(cookies.session_id(request), _address(request))

    who = local_user if application.settings.is_local else signed_in

    async def asking(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, _WHO: who}, receive, send)

    return asking


def local_user(request: Request) -> User:
    """The local admin, if the request was made on this machine."""
    address = _address(request)
    here = is_loopback(address) and not request.scope.get(VIA_PROXY, True)
    return replace(LOCAL_ADMIN if here else STRANGER, address=address)


def login_router(application: Application, cookies: Cookies) -> APIRouter:
    """All routes of signing in and out."""
    settings = application.settings
    clients = OAuthClients(settings.providers)
    router = APIRouter()

    @router.get("/login")
    def login(next: str = "/") -> Response:
        if settings.is_local:
            return RedirectResponse(own_path(next), 303)
        if len(settings.providers) == 1:
            only = next_page(f"/login/{settings.providers[0].name}", next)
            return RedirectResponse(only, 303)
        return sign_in_page(
            [(p.label, next_page(f"/login/{p.name}", next)) for p in settings.providers]
        )

    @router.get("/login/callback")
    async def callback_of_the_space(request: Request) -> Response:
        return await finish("hf", request)

    @router.get("/login/callback/{name}")
    async def callback(name: str, request: Request) -> Response:
        return await finish(name, request)

    @router.get("/login/{name}")
    async def begin(name: str, request: Request, next: str = "/") -> Response:
        async def asked() -> Response:
            kept: dict[str, Any] = {}
            back = _callback(request, settings.public_url, name)
            response = RedirectResponse(await clients.begin(name, back, kept), 302)
            cookies.keep_login(response, {"provider": name, "next": own_path(next), "kept": kept})
            return response

        return await or_refused(name, request, asked())

    async def finish(name: str, request: Request) -> Response:
        async def answered() -> Response:
            begun = cookies.login(request)
            kept = begun.get("kept", {}) if begun.get("provider") == name else {}
            person = await clients.finish(name, request, kept)
            session_id = await run_in_threadpool(  # the database may have to wait
                application.accounts.sign_in,
                person,
                _address(request),
                instead_of=cookies.session_id(request),
            )
            response = RedirectResponse(own_path(begun.get("next", "/")), 303)
            cookies.keep_session(response, session_id)
            return response

        response = await or_refused(name, request, answered())
        cookies.end_login(response)
        return response

    async def or_refused(name: str, request: Request, step: Awaitable[Response]) -> Response:
        """The one place where a sign-in ends badly: person, log and audit are told the same."""
        try:
            return await step
        except Exception as error:  # noqa: BLE001 - none may pass by without its reason
            told = _as_refusal(error)
        by = replace(STRANGER, address=_address(request))
        reference = application.refusals.note(
            "account.refused", by, told.reason, f"provider:{name}", name
        )
        return refused(str(told), told.status, reference)

    @router.post("/logout")
    def logout(request: Request) -> Response:
        application.accounts.sign_out(cookies.session_id(request))
        return signed_out()

    @router.post("/logout/everywhere")
    def logout_everywhere(request: Request) -> Response:
        user = current_user(request)
        if user.role > Role.ANYONE and not settings.is_local:
            application.accounts.sign_out_everywhere(user)
        return signed_out()

    def signed_out() -> Response:
        response = RedirectResponse("/", 303)
        cookies.end_session(response)
        return response

    @router.get("/me")
    def me(request: Request) -> JSONResponse:
        return JSONResponse(about(current_user(request)), headers={"Cache-Control": "no-store"})

    return router


def about(user: User) -> dict[str, Any]:
    """What a browser or a script may know of its own user."""
    return {
        "signed_in": user.role > Role.ANYONE,
        "id": user.id if user.role > Role.ANYONE else None,
        "name": user.name,
        "provider": user.provider if user.role > Role.ANYONE else None,
        "role": user.role.name.lower(),
        "email": user.email,
    }


def own_path(text: object) -> str:
    """`text` if it leads to a page of ours, else the first page."""
    return text if isinstance(text, str) and _OWN_PATH.fullmatch(text) else "/"


def next_page(path: str, after: str) -> str:
    """`path`, which leads on to `after` if that is ours."""
    return f"{path}?{urlencode({'next': own_path(after)})}"


def _callback(request: Request, public_url: str, name: str) -> str:
    """Where the provider sends the browser back; a Space registers one address, the first."""
    base = public_url or f"{request.url.scheme}://{request.headers['host']}"  # a door let it in
    return f"{base}/login/callback" + ("" if name == "hf" else f"/{name}")


def _as_refusal(error: Exception) -> SignInRefused:
    if isinstance(error, SignInRefused):
        return error
    if isinstance(error, BlossomError):  # the database is busy, or has no room
        return SignInRefused(str(error), reason=str(error), status=error.status)
    return SignInRefused(
        "Something went wrong here, and not with you. Try again; if it stays so, tell the operator "
        "of this page.",
        reason=f"unexpected: {type(error).__name__}: {error}",
        status=500,
    )


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
