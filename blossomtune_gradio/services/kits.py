"""The kit a site needs to join, and what happens when it hands its public key in.

A kit is a zip built in memory: `join.py`, `executor.py`, `site.toml`, `ca.pem`, a README. It
carries a one-time token and no key: the site makes its own. Surprise: the same token with the same
key is answered again, because the first answer may have been lost and a site asks at each start.
"""

from __future__ import annotations

import io
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib import metadata, resources

import tomli_w
from sqlalchemy import select
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import BlossomError, NotAllowed, NotPossible
from blossomtune_gradio.flower.credentials import ServerCredentials, SiteKey, parse_public_key
from blossomtune_gradio.identity import User, require_owner
from blossomtune_gradio.services import activation
from blossomtune_gradio.services.options import Options
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import NodeKey, Participant, ParticipantStatus, now


class TokenRefused(BlossomError):
    """The join token is unknown or its time is up."""

    status = 401


@dataclass(frozen=True)
class JoinAnswer:
    """What a site is told once its key is accepted."""

    site: str
    partition_id: int
    num_partitions: int
    superlink: str  # host:port
    node_id: str | None  # None until the SuperLink runs
    registered: bool


class KitService:
    """Makes kits and answers those who use them."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        options: Options,
        credentials: ServerCredentials,
        fleet_address: Callable[[], str],
        on_change: Callable[[], None],
    ) -> None:
        self._database, self._settings, self._options = database, settings, options
        self._credentials, self._fleet_address = credentials, fleet_address
        self._on_change = on_change

    def make(self, participant_id: int, by: User) -> bytes:
        """A fresh kit as a zip file; the token of an earlier kit stops working.

        Raises:
            NotPossible: the participant is not approved.
        """
        token = activation.new_token()
        with self._database.write() as session:
            row = session.get(Participant, participant_id)
            if row is None:
                raise NotPossible("This participant does not exist (any more). Reload the page.")
            require_owner(by, row.user_id, "get this kit")
            if row.status is not ParticipantStatus.APPROVED:
                raise NotPossible(f"{row.site} is {row.status}; a kit needs an approved request.")
            row.token_hash = activation.digest(token)
            row.token_expires_at = now() + timedelta(hours=self._settings.join_token_hours)
            site_toml = self._site_toml(row, token, self._options.partitions(session))
        return self._zip(site_toml)

    def join(self, token: str, public_key: str) -> JoinAnswer:
        """Take a site's public key. Called by the site itself; the token is its right.

        Raises:
            TokenRefused: the token is unknown, or its time is up and it has not been used.
            NotAllowed: the site was revoked or is not approved (any more).
            NotPossible: the key is, or once was, somebody's; or the token was used with another.
            InvalidInput: this is no public key Flower accepts.
        """
        key = parse_public_key(public_key)
        with self._database.write() as session:
            row = session.scalar(
                select(Participant).where(Participant.token_hash == activation.digest(token))
            )
            known = session.get(NodeKey, key.fingerprint)
            if row is None:
                raise _refusal(session, known)
            if row.status is not ParticipantStatus.APPROVED or row.partition_id is None:
                raise NotAllowed(f"{row.site} is {row.status}. Ask the admin for access.")
            if known is None:
                known = self._take_key(session, row, key)
            elif known.participant_id != row.id or known.retired_at is not None:
                raise NotPossible(
                    "This key was used before and Flower never takes a key back. Delete site.key "
                    "in the kit's folder and run join.py again."
                )
            answer = JoinAnswer(
                site=row.site,
                partition_id=row.partition_id,
                num_partitions=self._options.partitions(session),
                superlink=self._fleet_address(),
                node_id=known.node_id or None,
                registered=bool(known.node_id),
            )
        self._on_change()
        return answer

    def _take_key(self, session: Session, row: Participant, key: SiteKey) -> NodeKey:
        if row.token_expires_at is None or now() >= row.token_expires_at:
            raise TokenRefused("The token of this kit has expired. Get a new kit.")
        used = session.scalar(
            select(NodeKey).where(NodeKey.participant_id == row.id, NodeKey.retired_at.is_(None))
        )
        if used is not None and used.added_at > row.token_expires_at - self._lifetime:
            raise NotPossible(
                "This kit was used with another key. Keep site.key, or get a new kit for a new key."
            )
        if used is not None:
            used.retired_at = now()  # a new kit means a new key: the old one is unregistered
        fresh = NodeKey(fingerprint=key.fingerprint, participant_id=row.id, pem=key.pem.decode())
        session.add(fresh)
        return fresh

    @property
    def _lifetime(self) -> timedelta:
        return timedelta(hours=self._settings.join_token_hours)

    def _site_toml(self, row: Participant, token: str, partitions: int) -> str:
        address = self._fleet_address()
        return tomli_w.dumps(
            {
                "site": row.site,
                "superlink": address,
                "join_url": f"https://{address}/api/v1/join",
                "ca_fingerprint": self._credentials.ca_fingerprint,
                "token": token,
                "partition_id": row.partition_id,
                "num_partitions": partitions,
                "flwr": metadata.version("flwr"),
                "preload": [m for m in self._settings.site_preload.split(",") if m],
            }
        )

    def _zip(self, site_toml: str) -> bytes:
        tomllib.loads(site_toml)  # a kit that cannot be read must never leave the house
        files = resources.files("blossomtune_gradio.site")
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as kit:
            kit.writestr("site.toml", site_toml)
            kit.writestr("ca.pem", self._credentials.ca_cert.read_bytes())
            for name in ("join.py", "executor.py", "README.txt"):
                kit.writestr(name, files.joinpath(name).read_bytes())
        return out.getvalue()


def _refusal(session: Session, known: NodeKey | None) -> BlossomError:
    """A token nobody has: was the site cut off, or was the token never ours?"""
    owner = known and session.get(Participant, known.participant_id)
    if owner and owner.status is ParticipantStatus.REVOKED:
        why = f" Reason: {owner.reason}" if owner.reason else ""
        return NotAllowed(f"{owner.site} was revoked by an admin on {owner.changed_at:%F}.{why}")
    return TokenRefused("This token is not valid (any more). Get a new kit.")
