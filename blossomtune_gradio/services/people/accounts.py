"""Who signed in, until when, and which roles they have.

A session is a random id that only the browser knows; the table keeps its hash, so deleting the row
ends it at once. Roles are computed for each call from the settings and the database. `pins.py`
knows whom a name in the settings stands for. Surprise: roles hold from the next call on, also when
they are taken.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import NotPossible
from blossomtune_gradio.identity import LOCAL_ADMIN, OPERATOR, STRANGER, SYSTEM, Role, User, require
from blossomtune_gradio.providers import ORGANISATION
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.services.people.account_rows import known_row, target_of, written
from blossomtune_gradio.services.people.known import KnownAccount, known_account
from blossomtune_gradio.services.people.pins import Person, pins_of, subject_of, tie
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.later import Later
from blossomtune_gradio.store.models import Account, SignIn, now

_log = logging.getLogger(__name__)
_SEEN_EVERY = timedelta(minutes=5)  # "last seen" needs no write for each request


class AccountService:
    """Sessions, accounts and roles."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        later: Later | None = None,
    ) -> None:
        """`later` writes down when somebody was seen last."""
        self._database, self._settings = database, settings
        self._later = later

    # -- sessions --------------------------------------------------------------------------

    def sign_in(self, person: Person, address: str = "", instead_of: str = "") -> str:
        """Begin a session and return its secret id; the session `instead_of` ends with it."""
        settings, moment = self._settings, now()
        session_id = secrets.token_urlsafe(32)
        with self._database.write() as session:
            session.execute(
                delete(SignIn).where(
                    (SignIn.id_hash == _digest(instead_of)) | (SignIn.expires_at <= moment)
                )
            )
            account = written(session, person)
            news = tie(session, person, settings.admins | settings.researchers, address)
            session.flush()
            session.add(
                SignIn(
                    id_hash=_digest(session_id),
                    account_id=account.id,
                    began_at=moment,
                    expires_at=moment + timedelta(hours=settings.session_hours),
                )
            )
            by = self._user(session, account, address)
            record(session, by, "account.sign_in", target_of(account), target_name=account.username)
        for sentence in news:
            _log.info("%s", sentence)
        return session_id

    def user_of(self, session_id: str, address: str = "") -> User:
        """Who a session belongs to, with their role at this moment; else the stranger."""
        stranger = replace(STRANGER, address=address)
        if not session_id:
            return stranger
        with self._database.read() as session:
            account = session.scalar(
                select(Account)
                .join(SignIn, SignIn.account_id == Account.id)
                .where(SignIn.id_hash == _digest(session_id), SignIn.expires_at > now())
            )
            if account is None:
                return stranger
            user = self._user(session, account, address)
        if now() - account.last_seen > _SEEN_EVERY:
            self._note_seen(account.id)
        return user

    def role_of(self, session: Session, user_id: str) -> Role:
        """The role of a user at this moment; nobody has one who never signed in here."""
        if user_id in (SYSTEM.id, OPERATOR.id):
            return Role.ADMIN
        if user_id == LOCAL_ADMIN.id and self._settings.is_local:
            return Role.ADMIN
        account = session.get(Account, user_id)
        return self._known(account, pins_of(session)).role if account else Role.ANYONE

    def sign_out(self, session_id: str) -> None:
        """End one session."""
        with self._database.write() as session:
            session.execute(delete(SignIn).where(SignIn.id_hash == _digest(session_id)))

    def sign_out_everywhere(self, user: User) -> None:
        """End every session of this account, on all devices."""
        require(user, Role.PARTICIPANT, "sign out everywhere")
        with self._database.write() as session:
            session.execute(delete(SignIn).where(SignIn.account_id == user.id))
            target = f"account:{user.id}"
            record(session, user, "account.sign_out_everywhere", target, target_name=user.name)

    def end_sessions(self, account_id: str, by: User) -> int:
        """End every session of somebody else's account, on all devices; how many there were.

        Raises:
            NotFound: nobody with this id ever signed in.
        """
        require(by, Role.ADMIN, "end sessions of others")
        with self._database.write() as session:
            account = known_row(session, account_id)
            ended = session.execute(delete(SignIn).where(SignIn.account_id == account.id))
            count = int(ended.rowcount)  # type: ignore[attr-defined]
            record(
                session,
                by,
                "account.end_sessions",
                target_of(account),
                target_name=account.username,
                after={"sessions": count},
            )
        return count

    def _note_seen(self, account_id: str) -> None:
        moment = now()

        def work(session: Session) -> None:
            session.get_one(Account, account_id).last_seen = moment

        if self._later:
            self._later.put(("seen", account_id), work)

    # -- roles -----------------------------------------------------------------------------

    def accounts(self, by: User, text: str = "", limit: int = 200) -> list[KnownAccount]:
        """Everybody who signed in and whose names or address contain `text`.

        Researchers by grant come first, then who was seen last.
        """
        require(by, Role.ADMIN, "see the accounts")
        order = (Account.is_researcher.desc(), Account.last_seen.desc())
        query = select(Account).order_by(*order).limit(limit)
        if text:
            columns = (Account.username, Account.name, Account.email)
            query = query.where(or_(*(c.icontains(text, autoescape=True) for c in columns)))
        with self._database.read() as session:
            pins = pins_of(session)
            return [self._known(row, pins) for row in session.scalars(query)]

    def addresses_of_admins(self, session: Session) -> list[str]:
        """E-mail addresses, verified by their provider, of the admins who signed in."""
        pins = pins_of(session)
        subjects = {subject_of(entry, pins) for entry in self._settings.admins} - {""}
        rows = select(Account).where(Account.email != "")
        if not any(subject.startswith(f"{ORGANISATION}:") for subject in subjects):
            rows = rows.where(Account.id.in_(subjects))  # not one by one through thousands
        known = [self._known(row, pins) for row in session.scalars(rows)]
        return [one.email for one in known if one.role is Role.ADMIN]

    def grant_researcher(self, account_id: str, by: User) -> KnownAccount:
        """Make somebody a researcher.

        Raises:
            NotFound: nobody with this id ever signed in.
            NotPossible: they are one already, or an admin, who may do more.
        """
        require(by, Role.ADMIN, "grant roles")
        with self._database.write() as session:
            account = known_row(session, account_id)
            known = self._known(account, pins_of(session))
            if known.role >= Role.RESEARCHER:
                raise NotPossible(f"{account.username} is {known.role.name.lower()} already.")
            return self._set_researcher(session, account, by, granted=True)

    def take_researcher(self, account_id: str, by: User) -> KnownAccount:
        """Take back what an admin granted.

        Raises:
            NotFound: nobody with this id ever signed in.
            NotPossible: it was not granted on the page; the settings decide then.
        """
        require(by, Role.ADMIN, "take roles")
        with self._database.write() as session:
            account = known_row(session, account_id)
            if not account.is_researcher:
                raise NotPossible(
                    f"{account.username} was not made researcher on this page. If the settings "
                    "say so, change BLOSSOMTUNE_RESEARCHERS."
                )
            return self._set_researcher(session, account, by, granted=False)

    def _set_researcher(
        self, session: Session, account: Account, by: User, *, granted: bool
    ) -> KnownAccount:
        pins = pins_of(session)
        before = self._known(account, pins)
        account.is_researcher = granted
        after = self._known(account, pins)
        record(
            session,
            by,
            "role.grant" if granted else "role.take",
            target_of(account),
            target_name=account.username,
            before={"role": before.role.name.lower(), "researcher": before.is_granted},
            after={"role": after.role.name.lower(), "researcher": granted},
        )
        return after

    def _known(self, account: Account, pins: Mapping[str, str]) -> KnownAccount:
        return known_account(account, self._settings, pins)

    def _user(self, session: Session, account: Account, address: str) -> User:
        known = self._known(account, pins_of(session))
        return User(
            provider=account.provider,
            sub=account.id.partition(":")[2],
            name=account.username,
            role=known.role,
            email=account.email,
            address=address,
        )


def _digest(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()
