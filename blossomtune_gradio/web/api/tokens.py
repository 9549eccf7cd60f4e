"""Tokens: make, list, revoke."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import User
from blossomtune_gradio.services.people.tokens import state_of
from blossomtune_gradio.store.models import ApiToken, now
from blossomtune_gradio.web.api.caller import Caller
from blossomtune_gradio.web.api.models import Id, MadeToken, NewToken, TokenView


def router(app: Application, caller: Caller) -> APIRouter:
    """`/tokens`."""
    made = APIRouter(tags=["tokens"])
    by = Annotated[User, Depends(caller)]

    @made.get("/tokens", summary="All tokens, without their secrets")
    def tokens(user: by) -> list[TokenView]:
        return [TokenView(**_facts(token)) for token in app.tokens.list(user)]

    @made.post("/tokens", status_code=201, summary="A new token; its secret is shown this once")
    def create(body: NewToken, user: by, response: Response) -> MadeToken:
        token, secret = app.tokens.create(user, body.name, body.role, body.days)
        response.headers["Cache-Control"] = "no-store"
        return MadeToken(**_facts(token), token=secret)

    @made.delete("/tokens/{token_id}", summary="End a token at once")
    def revoke(token_id: Id, user: by) -> TokenView:
        return TokenView(**_facts(app.tokens.revoke(token_id, user)))

    return made


def _facts(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "acts_as": token.acts_as or token.role,
        "state": state_of(token, now()),
        "created_by": token.created_name or token.created_by,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
    }
