"""The SuperLink, the sites, and how all of it is."""

from typing import Annotated

from fastapi import APIRouter, Depends

from blossomtune_gradio import __version__
from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.processes import Status
from blossomtune_gradio.services.sites.service import Site
from blossomtune_gradio.web.api.caller import Caller
from blossomtune_gradio.web.api.models import (
    Health,
    Id,
    Me,
    ProcessView,
    Reason,
    RequestView,
    SiteView,
    SuperLinkView,
)
from blossomtune_gradio.web.api.requests import request_view


def router(app: Application, caller: Caller) -> APIRouter:
    """`/health`, `/me`, `/superlink`, `/sites`."""
    made = APIRouter(tags=["federation"])
    by = Annotated[User, Depends(caller)]

    @made.get("/health", summary="Is everything well?")
    def health(user: by) -> Health:
        require(user, Role.PARTICIPANT, "ask how things are")
        sites = app.sites.sites(user)
        trouble = app.sites.trouble
        return Health(
            status="trouble" if trouble else "ok",
            version=__version__,
            superlink=app.superlink.status.state.value,
            sites=len(sites),
            online=sum(site.presence == "online" for site in sites),
            trouble=trouble,
        )

    @made.get("/me", summary="Whose token is this?")
    def me(user: by) -> Me:
        return Me(id=user.id, name=user.name, role=user.role.name.lower())  # type: ignore[arg-type]

    @made.get("/superlink", summary="State of the SuperLink and its executor")
    def superlink(user: by) -> SuperLinkView:
        require(user, Role.PARTICIPANT, "see the SuperLink")
        return _superlink(app)

    @made.post("/superlink/start", summary="Start it; answers when it is ready")
    def start(user: by) -> SuperLinkView:
        app.federation.start(user)
        return _superlink(app)

    @made.post("/superlink/stop", summary="Stop it; sites come back when it starts again")
    def stop(user: by) -> SuperLinkView:
        app.federation.stop(user)
        return _superlink(app)

    @made.get("/sites", summary="Approved sites as Flower sees them")
    def sites(user: by) -> list[SiteView]:
        require(user, Role.RESEARCHER, "see all sites")
        return [_site(site) for site in app.sites.sites(user)]

    @made.post("/sites/{site_id}/revoke", summary="Cut a site off for good")
    def revoke(site_id: Id, body: Reason, user: by) -> RequestView:
        return request_view(app.participants.revoke(site_id, user, body.reason))

    return made


def _superlink(app: Application) -> SuperLinkView:
    processes = [_process(program.name, program.status) for program in app.superlink.programs]
    return SuperLinkView(running=app.superlink.running, processes=processes)


def _process(name: str, status: Status) -> ProcessView:
    return ProcessView(
        name=name, state=status.state.value, since=status.since, reason=status.reason
    )


def _site(site: Site) -> SiteView:
    return SiteView(
        id=site.participant_id,
        name=site.name,
        partition=site.partition_id,
        presence=site.presence,
        node_id=site.node_id,
        last_seen=site.last_seen,
    )
