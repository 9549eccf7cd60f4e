"""What an account is at this moment: its role, and where that comes from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from blossomtune_gradio.identity import Role
from blossomtune_gradio.services.people.pins import matching
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.models import Account


@dataclass(frozen=True, kw_only=True)
class KnownAccount:
    """An account, its role at this moment, and where that comes from."""

    id: str
    provider: str
    username: str
    name: str
    email: str
    first_seen: datetime
    last_seen: datetime
    role: Role
    because: tuple[str, ...]  # "settings: hf:ada", "granted on the page"
    is_granted: bool  # researcher by an admin's grant


def known_account(account: Account, settings: Settings, pins: Mapping[str, str]) -> KnownAccount:
    """Roles come from the settings, where they name this account, and from an admin's grant."""
    own = {account.id, *account.organisations}
    admin = matching(settings.admins, pins, own)
    researcher = matching(settings.researchers, pins, own)
    role = Role.PARTICIPANT
    if researcher or account.is_researcher:
        role = Role.RESEARCHER
    if admin:
        role = Role.ADMIN
    because = [f"admin by the settings ({entry})" for entry in admin]
    because += [f"researcher by the settings ({entry})" for entry in researcher]
    because += ["researcher, granted by an admin"] if account.is_researcher else []
    return KnownAccount(
        id=account.id,
        provider=account.provider,
        username=account.username,
        name=account.name,
        email=account.email,
        first_seen=account.first_seen,
        last_seen=account.last_seen,
        role=role,
        because=tuple(because),
        is_granted=account.is_researcher,
    )
