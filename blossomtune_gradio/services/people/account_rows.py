"""Rows of accounts: found again, written at a sign-in."""

from __future__ import annotations

from sqlalchemy.orm import Session

from blossomtune_gradio.errors import NotFound
from blossomtune_gradio.names import shown
from blossomtune_gradio.providers import ORGANISATION
from blossomtune_gradio.services.addresses import shown_name
from blossomtune_gradio.services.people.pins import Person
from blossomtune_gradio.store.models import Account, now


def written(session: Session, person: Person) -> Account:
    """The row of somebody who signs in, with what their provider says of them now."""
    account = session.get(Account, person.id)
    if account is None:
        account = Account(id=person.id, provider=person.provider, is_researcher=False)
        session.add(account)
    account.username = shown(person.username) or shown(person.sub)
    account.name = shown_name(person.name)
    account.email = person.email
    account.organisations = [f"{ORGANISATION}:{sub}" for sub, _ in person.organisations]
    account.last_seen = now()
    return account


def known_row(session: Session, account_id: str) -> Account:
    """The row of an account. Raises NotFound."""
    account = session.get(Account, account_id)
    if account is None:
        raise NotFound("Nobody with this account has signed in. Reload the page.")
    return account


def target_of(account: Account) -> str:
    """What the audit trail calls it."""
    return f"account:{account.id}"
