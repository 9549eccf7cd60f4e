"""Whose token a request carries."""

from __future__ import annotations

from dataclasses import replace

from fastapi import Request
from fastapi.security import HTTPBearer

from blossomtune_gradio.identity import STRANGER, Role, User, require
from blossomtune_gradio.services.audit.refusals import Refusals
from blossomtune_gradio.services.people.tokens import TokenNotValid, TokenService

bearer = HTTPBearer(
    scheme_name="token", auto_error=False, description="Made by `blossomtune token create`"
)


class Caller:
    """Reads the Authorization header and nothing else."""

    def __init__(self, tokens: TokenService, refusals: Refusals) -> None:
        self._tokens, self._refusals = tokens, refusals

    def __call__(self, request: Request) -> User:
        """The user a request acts as; their rights are checked by the services."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise TokenNotValid(
                "Send a token: `Authorization: Bearer …`. Make one with `blossomtune token create`."
            )
        address = request.client.host if request.client else ""
        try:
            return self._tokens.user(secret.strip(), address)
        except TokenNotValid as error:
            by = replace(STRANGER, address=address)
            self._refusals.note("token.refused", by, error.reason, "token:none")
            raise

    def researcher(self, request: Request) -> User:
        """The user, for what participants do not see on the page either."""
        user = self(request)
        require(user, Role.RESEARCHER, "see or start runs")
        return user

    def anybody_with_a_token(self, request: Request) -> User:
        """The user, if they have any role at all."""
        user = self(request)
        require(user, Role.PARTICIPANT, "use the REST interface")
        return user
