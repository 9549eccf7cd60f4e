"""Accounts and their roles, and the number of data partitions."""

from typing import Annotated

from fastapi import APIRouter, Depends

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.views.account import AccountView
from blossomtune_gradio.web.api.caller import Caller
from blossomtune_gradio.web.api.models import (
    Partitions,
    RoleChange,
    SignedOut,
    SignOut,
    Word,
)


def router(app: Application, caller: Caller) -> APIRouter:
    """`/accounts`, `/partitions`."""
    made = APIRouter(tags=["accounts"])
    by = Annotated[User, Depends(caller)]

    @made.get("/accounts", summary="Everybody who signed in, with their role")
    def accounts(user: by, text: Word = "") -> list[AccountView]:
        return [AccountView.of(known) for known in app.accounts.accounts(user, text)]

    @made.put("/accounts", summary="Make somebody a researcher, or take it back")
    def change(body: RoleChange, user: by) -> AccountView:
        if body.researcher:
            return AccountView.of(app.accounts.grant_researcher(body.id, user))
        return AccountView.of(app.accounts.take_researcher(body.id, user))

    @made.post("/accounts/sign-out", summary="End all sessions of an account")
    def sign_out(body: SignOut, user: by) -> SignedOut:
        return SignedOut(sessions=app.accounts.end_sessions(body.id, user))

    @made.get("/partitions", summary="Number of data partitions")
    def partitions(user: by) -> Partitions:
        require(user, Role.PARTICIPANT, "see the partitions")
        return Partitions(total=app.options.partitions())

    @made.put("/partitions", summary="Change it, while no site is approved")
    def set_partitions(body: Partitions, user: by) -> Partitions:
        app.options.set_partitions(body.total, user)
        return Partitions(total=app.options.partitions())

    return made
