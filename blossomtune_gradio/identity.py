"""Who asks, and what may they: users, roles.

Services get a `User` with each call and check it themselves (`require`), whatever the page hides.
Roles are computed for each call and never stored with a session. Surprise: in local
mode there is no sign-in, so everybody who reaches the loopback port is the one local admin.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from blossomtune_gradio.errors import NotAllowed


class Role(IntEnum):
    """Each role may do all that the ones before it may."""

    ANYONE = 0  # public status
    PARTICIPANT = 1  # own request, own kit
    RESEARCHER = 2  # apps, runs, metrics
    ADMIN = 3  # everything


@dataclass(frozen=True, kw_only=True)
class User:
    """Somebody who signed in. The key is `provider:sub`, never the name, which may change."""

    provider: str
    sub: str
    name: str  # for people; may change
    role: Role = Role.PARTICIPANT
    email: str = field(default="", compare=False)  # only if the provider has verified it
    address: str = field(default="", compare=False)  # where this request comes from

    @property
    def id(self) -> str:
        """`provider:sub`, unique and stable."""
        return f"{self.provider}:{self.sub}"


STRANGER = User(provider="nobody", sub="", name="", role=Role.ANYONE)
LOCAL_ADMIN = User(provider="local", sub="admin", name="local admin", role=Role.ADMIN)
OPERATOR = User(provider="local", sub="command line", name="command line", role=Role.ADMIN)
"""Whoever may write the data directory itself."""
SYSTEM = User(provider="system", sub="blossomtune", name="BlossomTune", role=Role.ADMIN)


def require(user: User, role: Role, what: str) -> None:
    """Raise `NotAllowed` unless `user` has at least `role`; `what` ends the sentence."""
    if user.role < role:
        raise NotAllowed(f"Only {WHO[role]} may {what}. Sign in with such an account.")


def require_owner(user: User, owner_id: str, what: str) -> None:
    """Raise `NotAllowed` unless `user` is the owner or an admin."""
    if user.id != owner_id and user.role < Role.ADMIN:
        raise NotAllowed(f"Only the owner or an admin may {what}.")


WHO = {
    Role.ANYONE: "anybody",  # completes "Only … may"
    Role.PARTICIPANT: "somebody who signed in",
    Role.RESEARCHER: "a researcher or an admin",
    Role.ADMIN: "an admin",
}
