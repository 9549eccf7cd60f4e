"""Bearer tokens: how programs and the command line prove what they may do.

A token is shown once and kept as a hash only. It acts as a user of its own, `token:5`, with the
role it was made for. Surprise: the command line of this machine finds a token in `local-token` in
the data directory (0600); it is made anew at each start of the server, and the one before ends.
"""

from __future__ import annotations

import hmac
import json
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import BlossomError, InvalidInput, NotFound, NotPossible
from blossomtune_gradio.flower.files import write_private
from blossomtune_gradio.identity import SYSTEM, Role, User, require
from blossomtune_gradio.plain_text import plain
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.services.people import activation
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import ApiToken, now

ROLES = {role.name.lower(): role for role in (Role.PARTICIPANT, Role.RESEARCHER, Role.ADMIN)}
LOCAL_FILE = "local-token"
MOST_DAYS = 3650
_LOCAL_NAME = "command line of this machine"
_PREFIX = "bt_"  # so that a scanner for leaked secrets recognises one
_USED_EVERY = timedelta(minutes=1)  # "last used" needs no write for each request


class TokenNotValid(BlossomError):
    """No token, or not a good one."""

    status = 401


class TokenService:
    """Makes tokens, ends them, and tells whom one stands for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, by: User, name: str, role: str, days: float = 30) -> tuple[ApiToken, str]:
        """A new token and its secret, which nobody can ever show again.

        Raises:
            InvalidInput: the name is empty or too long, there is no such role, or `days` is not
                between a minute and ten years.
        """
        require(by, Role.ADMIN, "make tokens")
        clean = " ".join(plain(name).split())
        if not 1 <= len(clean) <= 64:
            raise InvalidInput("Say in 1 to 64 characters what the token is for.")
        if role not in ROLES:
            raise InvalidInput(f"A token's role is one of {', '.join(ROLES)}.")
        if not 1 / 1440 <= days <= MOST_DAYS:
            raise InvalidInput(f"A token lives for at most {MOST_DAYS} days, and not for none.")
        secret = _PREFIX + activation.new_token()
        with self._database.write() as session:
            token = ApiToken(
                name=clean,
                token_hash=activation.digest(secret),
                role=role,
                created_by=by.id,
                created_name=by.name,
                expires_at=now() + timedelta(days=days),
            )
            session.add(token)
            session.flush()
            said = {"role": role, "expires_at": token.expires_at.isoformat()}
            _note(session, by, "create", token, said)
        return token, secret

    def list(self, by: User) -> list[ApiToken]:
        """All tokens, the newest first; ended ones included."""
        require(by, Role.ADMIN, "see the tokens")
        with self._database.read() as session:
            return list(session.scalars(select(ApiToken).order_by(ApiToken.id.desc())))

    def revoke(self, token_id: int, by: User) -> ApiToken:
        """End a token at once.

        Raises:
            NotFound: there is none with that number.
            NotPossible: it was revoked before.
        """
        require(by, Role.ADMIN, "revoke tokens")
        with self._database.write() as session:
            token = session.get(ApiToken, token_id)
            if token is None:
                raise NotFound("This token does not exist. List the tokens to see their numbers.")
            if token.revoked_at is not None:
                raise NotPossible(f"{token.name} was revoked already.")
            _revoke(session, token, by)
        return token

    def user(self, secret: str, address: str = "") -> User:
        """Whom a token stands for.

        Raises:
            TokenNotValid: it is unknown, revoked or expired; the sentence is the same for each.
        """
        digest, moment = activation.digest(secret), now()
        with self._database.read() as session:
            token = session.scalar(select(ApiToken).where(ApiToken.token_hash == digest))
        if token is None or not hmac.compare_digest(token.token_hash, digest):
            raise _not_valid()
        if token.revoked_at is not None or moment >= token.expires_at:
            raise _not_valid()
        if token.last_used_at is None or moment - token.last_used_at > _USED_EVERY:
            with self._database.write() as session:
                session.get_one(ApiToken, token.id).last_used_at = moment
        role = ROLES.get(token.role, Role.ANYONE)
        return User(
            provider="token", sub=str(token.id), name=token.name, role=role, address=address
        )

    def hand_out_locally(self, data_dir: Path, url: str) -> None:
        """Let the command line of this machine in, as our own user; ends the token before.

        Raises OSError when the file cannot be written.
        """
        with self._database.write() as session:
            old = select(ApiToken).where(
                ApiToken.created_by == SYSTEM.id, ApiToken.revoked_at.is_(None)
            )
            for token in session.scalars(old):
                token.revoked_at = now()
        _, secret = self.create(SYSTEM, _LOCAL_NAME, "admin", MOST_DAYS)
        content = json.dumps({"url": url, "token": secret})
        write_private(data_dir / LOCAL_FILE, content.encode())

    def take_back_locally(self, data_dir: Path) -> None:
        """The server ends: its local token means nothing any more."""
        (data_dir / LOCAL_FILE).unlink(missing_ok=True)


def state_of(token: ApiToken, moment: datetime) -> str:
    """ "good", "expired" or "revoked"."""
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if moment >= token.expires_at else "good"


def _revoke(session: Session, token: ApiToken, by: User) -> None:
    token.revoked_at = now()
    _note(session, by, "revoke", token, {"role": token.role})


def _note(session: Session, by: User, verb: str, token: ApiToken, after: dict[str, str]) -> None:
    target = f"token:{token.id}"
    record(session, by, f"token.{verb}", target, target_name=token.name, after=after)


def _not_valid() -> TokenNotValid:
    return TokenNotValid(
        "This token is unknown, expired or revoked. Make another with `blossomtune token create`."
    )
