"""What an account and a token look like from outside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from blossomtune_gradio.identity import Role
from blossomtune_gradio.services.people.known import KnownAccount
from blossomtune_gradio.services.people.tokens import state_of
from blossomtune_gradio.store.models import ApiToken, now
from blossomtune_gradio.views.base import From, Moment, Tone, View

_TONES: Mapping[str, Tone] = {"good": "good"}
RoleWord = Literal["anyone", "participant", "researcher", "admin"]


class Me(View):
    id: str
    name: str
    role: Annotated[RoleWord, From(lambda user: user.role.name.lower())]


class AccountView(View):
    id: str
    name: Annotated[str, From(lambda known: known.name or known.username)]
    role: Annotated[RoleWord, From(lambda known: known.role.name.lower())]
    because: list[str]
    last_seen: datetime


class AccountRow(View):
    """One account on the Admin page."""

    id: str
    username: str
    name: Annotated[str, From(lambda known: known.name if known.name != known.username else "")]
    email: str
    provider: str  # as people call it
    role: Annotated[RoleWord, From(lambda known: known.role.name.lower())]
    tone: Annotated[Tone, From(lambda known: "good" if known.role >= Role.RESEARCHER else "off")]
    because: Annotated[str, From(lambda known: ", ".join(known.because) or "signed in")]
    last_seen: Moment
    can: Annotated[str, From(lambda known: _can(known))]


class TokenView(View):
    id: int
    name: str
    role: str
    acts_as: Annotated[str, From(lambda token: token.acts_as or token.role)] = Field(
        "", description="The role at this moment: never more than its maker has"
    )
    state: Annotated[
        Literal["good", "expired", "revoked", "ended"], From(lambda token: state_of(token, now()))
    ]
    created_by: Annotated[str, From(lambda token: token.created_name or token.created_by)]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class MadeToken(TokenView):
    token: str = Field(description="Shown this once")


class TokenRow(View):
    """One token on the Admin page."""

    id: int
    name: str
    role: Annotated[str, From(lambda token: _role(token))]
    state: Annotated[str, From(lambda token: state_of(token, now()))]
    tone: Annotated[Tone, From(lambda token: _TONES.get(state_of(token, now()), "off"))]
    by: Annotated[str, From(lambda token: token.created_name or token.created_by)]
    expires: Annotated[Moment, From("expires_at")]
    used: Annotated[Moment, From("last_used_at")]
    can_revoke: Annotated[bool, From(lambda token: state_of(token, now()) == "good")]


def _role(token: ApiToken) -> str:
    """Its role, and what is left of it when its maker has less by now."""
    return token.role if token.acts_as == token.role else f"{token.role}, acts as {token.acts_as}"


def _can(known: KnownAccount) -> str:
    """What an admin can do about its role."""
    if known.role < Role.RESEARCHER:
        return "grant"
    return "take" if known.is_granted else ""
