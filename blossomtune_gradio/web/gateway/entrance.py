"""The app of the TLS listener for sites: the gateway, and what a site joins and reports by."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from blossomtune_gradio.web.bodies import HungUp, TooBig, replay, whole
from blossomtune_gradio.web.gateway.admission import FleetGateway
from blossomtune_gradio.web.gateway.request import (
    client_address,
    is_fleet_request,
    is_join_request,
    refuse,
)
from blossomtune_gradio.web.limits import KIB, body_limit
from blossomtune_gradio.web.pace import Pace, network


def fleet_app(gateway: FleetGateway, join: ASGIApp) -> ASGIApp:
    """The app of the TLS listener for sites: the gateway, `POST /api/v1/join` and its `/report`.

    `join` is any ASGI app that answers these two (a Starlette route, or a whole FastAPI app, of
    which just these paths can be reached). `limits` says how big a body may be.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(gateway, receive, send)
        elif is_fleet_request(scope):
            await gateway(scope, receive, send)
        elif is_join_request(scope):
            await _join(gateway.strangers, join, scope, receive, send)
        else:
            await refuse(scope, send, 404)

    return app


async def _join(pace: Pace, join: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    most = body_limit(scope["path"])
    try:
        body = await whole(scope, receive, most)  # a place is taken once all of it is here
    except TooBig:
        await refuse(scope, send, 413, f"This request may have at most {most // KIB} KiB.")
        return
    except HungUp:
        return
    client = network(client_address(scope))
    if not pace.enter(client):
        await refuse(scope, send, 503, "Too many requests from this address.", retry_after=1)
        return
    try:
        await join(scope, replay(body, receive), send)
    finally:
        pace.leave(client)


async def _lifespan(gateway: FleetGateway, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await gateway.aclose()
    await send({"type": "lifespan.shutdown.complete"})
