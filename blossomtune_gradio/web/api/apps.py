"""Flower apps: what is there, and what is wrong with it."""

from typing import Annotated

from fastapi import APIRouter, Depends

from blossomtune_gradio.application import Application
from blossomtune_gradio.flower.apps.catalogue import FlowerApp
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.views.app import AppView, app_view
from blossomtune_gradio.web.api.caller import Caller
from blossomtune_gradio.web.api.models import Name, NewApp


def router(app: Application, caller: Caller) -> APIRouter:
    """`/apps`."""
    made = APIRouter(tags=["apps"])
    by = Annotated[User, Depends(caller)]

    def view(found: FlowerApp, user: User) -> AppView:
        return app_view(found, app.site_lacks.of(found, user))

    @made.get("/apps", summary="All Flower apps, broken ones included")
    def apps(user: by) -> list[AppView]:
        return [view(found, user) for found in app.apps.list(user)]

    @made.get("/apps/{name}", summary="One app with its configuration and findings")
    def one(name: Name, user: by) -> AppView:
        require(user, Role.RESEARCHER, "see the apps")
        return view(app.apps.get(name), user)

    @made.post("/apps", status_code=201, summary="A new app that works, from the template")
    def create(body: NewApp, user: by) -> AppView:
        return view(app.apps.create(body.name, user, body.title), user)

    return made
