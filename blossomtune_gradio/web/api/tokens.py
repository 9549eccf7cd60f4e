"""Tokens: make, list, revoke."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import User
from blossomtune_gradio.views.account import MadeToken, TokenView
from blossomtune_gradio.web.api.caller import Caller
from blossomtune_gradio.web.api.models import Id, NewToken


def router(app: Application, caller: Caller) -> APIRouter:
    """`/tokens`."""
    made = APIRouter(tags=["tokens"])
    by = Annotated[User, Depends(caller)]

    @made.get("/tokens", summary="All tokens, without their secrets")
    def tokens(user: by) -> list[TokenView]:
        return [TokenView.of(token) for token in app.tokens.list(user)]

    @made.post("/tokens", status_code=201, summary="A new token; its secret is shown this once")
    def create(body: NewToken, user: by, response: Response) -> MadeToken:
        token, secret = app.tokens.create(user, body.name, body.role, body.days)
        response.headers["Cache-Control"] = "no-store"
        return MadeToken.of(token, token=secret)

    @made.delete("/tokens/{token_id}", summary="End a token at once")
    def revoke(token_id: Id, user: by) -> TokenView:
        return TokenView.of(app.tokens.revoke(token_id, user))

    return made
