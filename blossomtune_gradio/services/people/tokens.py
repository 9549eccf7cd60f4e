"""Bearer tokens: how programs and the command line prove what they may do.

A token is shown once and kept as a hash only. It acts as a user of its own, `token:5`, with the
role it was made for, and never with more than its maker has at this moment. Surprise: the command
line of this machine finds a token in `local-token` in the data directory (0600); it is made anew at
each start of the server, and the one before ends.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import BlossomError, InvalidInput, NotFound, NotPossible
from blossomtune_gradio.files import write_private
from blossomtune_gradio.identity import SYSTEM, Role, User, require
from blossomtune_gradio.plain_text import plain
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.services.people import activation
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.later import Later
from blossomtune_gradio.store.models import ApiToken, now

ROLES = {role.name.lower(): role for role in (Role.PARTICIPANT, Role.RESEARCHER, Role.ADMIN)}
LOCAL_FILE = "local-token"
MOST_DAYS = 3650
_LOCAL_NAME = "command line of this machine"
_PREFIX = "bt_"  # so that a scanner for leaked secrets recognises one
_LONGEST_CHAIN = 20  # tokens that made tokens
_USED_EVERY = timedelta(minutes=1)  # "last used" needs no write for each request


class TokenNotValid(BlossomError):
    """No token, or not a good one; `reason` is for the operator."""

    status = 401

    def __init__(self, sentence: str, reason: str = "no token") -> None:
        super().__init__(sentence)
        self.reason = reason


class TokenService:
    """Makes tokens, ends them, and tells whom one stands for."""

    def __init__(
        self,
        database: Database,
        role_of: Callable[[Session, str], Role] | None = None,
        later: Later | None = None,
    ) -> None:
        """`role_of` tells what a maker is at this moment; without it each is an admin.

        `later` writes down when a token was used last.
        """
        self._database, self._later = database, later
        self._role_of = role_of or (lambda _session, _user_id: Role.ADMIN)

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
            tokens = list(session.scalars(select(ApiToken).order_by(ApiToken.id.desc())))
            for token in tokens:
                self._look(session, token)
        return tokens

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
            role = self._look(session, token) if token else Role.ANYONE
        if token is None or not hmac.compare_digest(token.token_hash, digest):
            raise _not_valid("unknown token")
        if (state := state_of(token, moment)) != "good":
            raise _not_valid(f"token {token.id} ({token.name}) is {state}")
        if token.last_used_at is None or moment - token.last_used_at > _USED_EVERY:
            self._note_used(token.id, moment)
        return User(
            provider="token", sub=str(token.id), name=token.name, role=role, address=address
        )

    def _note_used(self, token_id: int, moment: datetime) -> None:
        def work(session: Session) -> None:
            session.get_one(ApiToken, token_id).last_used_at = moment

        if self._later:
            self._later.put(("used", token_id), work)

    def _look(self, session: Session, token: ApiToken) -> Role:
        """The role of a token at this moment: its own, and never more than its maker has."""
        role = min(ROLES.get(token.role, Role.ANYONE), self._maker(session, token.created_by))
        token.acts_as = role.name.lower()
        return role

    def _maker(self, session: Session, user_id: str) -> Role:
        """What the maker of a token is. A token that made another one counts as its maker's."""
        role = Role.ADMIN
        for _ in range(_LONGEST_CHAIN):
            provider, _, sub = user_id.partition(":")
            if provider != "token":
                return min(role, self._role_of(session, user_id))
            parent = session.get(ApiToken, int(sub)) if sub.isdecimal() else None
            if parent is None:
                return Role.ANYONE
            ours = parent.created_by == SYSTEM.id  # made anew at each start: no end of its own
            if not ours and (parent.revoked_at is not None or now() >= parent.expires_at):
                return Role.ANYONE
            role, user_id = min(role, ROLES.get(parent.role, Role.ANYONE)), parent.created_by
        return Role.ANYONE

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
    """ "good", "expired", "revoked", or "ended": its maker has no role any more."""
    if token.revoked_at is not None:
        return "revoked"
    if token.acts_as == Role.ANYONE.name.lower():
        return "ended"
    return "expired" if moment >= token.expires_at else "good"


def _revoke(session: Session, token: ApiToken, by: User) -> None:
    token.revoked_at = now()
    _note(session, by, "revoke", token, {"role": token.role})


def _note(session: Session, by: User, verb: str, token: ApiToken, after: dict[str, str]) -> None:
    target = f"token:{token.id}"
    record(session, by, f"token.{verb}", target, target_name=token.name, after=after)


def _not_valid(reason: str) -> TokenNotValid:
    return TokenNotValid(
        "This token is unknown, expired or revoked. Make another with `blossomtune token create`.",
        reason,
    )
