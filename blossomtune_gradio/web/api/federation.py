"""The SuperLink, the sites, and how all of it is."""

from typing import Annotated

from fastapi import APIRouter, Depends

from blossomtune_gradio import __version__
from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.views.account import Me
from blossomtune_gradio.views.federation import Health, LoopView, ProcessView, SuperLinkView
from blossomtune_gradio.views.participant import RequestView
from blossomtune_gradio.views.site import SiteView
from blossomtune_gradio.web.api.caller import Caller
from blossomtune_gradio.web.api.models import Id, Reason


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
            online=sum(site.presence is Presence.ONLINE for site in sites),
            trouble=trouble,
            loops=[LoopView.of(turns) for turns in app.loops.turns() if user.role >= Role.ADMIN],
        )

    @made.get("/me", summary="Whose token is this?")
    def me(user: by) -> Me:
        return Me.of(user)

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
        return [SiteView.of(site) for site in app.sites.sites(user)]

    @made.post("/sites/{site_id}/revoke", summary="Cut a site off for good")
    def revoke(site_id: Id, body: Reason, user: by) -> RequestView:
        return RequestView.of(app.participants.revoke(site_id, user, body.reason))

    return made


def _superlink(app: Application) -> SuperLinkView:
    processes = [ProcessView.of(program) for program in app.superlink.programs]
    return SuperLinkView(running=app.superlink.running, processes=processes)
