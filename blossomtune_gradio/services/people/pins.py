"""Whom the names of the settings stand for: the first account that signs in under one, for ever.

An entry with a number (`keycloak:sub:1234`) needs no pin: it is that account and no other. Works in
the transaction of the sign-in. Surprise: names are compared letter by letter, as the provider told
them; a look-alike gets no role, and the operator is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from blossomtune_gradio.identity import SYSTEM
from blossomtune_gradio.names import bare, entry_of, is_plain, shown
from blossomtune_gradio.providers import ORGANISATION
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.store.models import RolePin


@dataclass(frozen=True, kw_only=True)
class Person:
    """What a provider says of somebody who has just proven who they are."""

    provider: str
    sub: str
    username: str  # exactly as told, however odd; "" when told none
    name: str = ""
    email: str = ""  # verified by the provider, or ""
    organisations: tuple[tuple[str, str], ...] = ()  # (subject, name) of each

    @property
    def id(self) -> str:
        """`provider:sub`."""
        return f"{self.provider}:{self.sub}"


def pins_of(session: Session) -> dict[str, str]:
    """Entry of the settings -> what it stands for, of those that somebody has claimed."""
    return {pin.entry: pin.subject for pin in session.scalars(select(RolePin))}


def subject_of(text: str, pins: Mapping[str, str]) -> str:
    """The account or organisation an entry of the settings stands for; "" while nobody knows."""
    entry = entry_of(text)
    return (entry and entry.subject) or pins.get(text, "")


def matching(entries: Iterable[str], pins: Mapping[str, str], own: set[str]) -> list[str]:
    """The entries that stand for one of the subjects in `own`."""
    return sorted(entry for entry in entries if subject_of(entry, pins) in own)


def tie(session: Session, person: Person, entries: Iterable[str], address: str) -> list[str]:
    """Tie names that nobody had so far to who has just proven to have them.

    Returns what the operator should know of it, in sentences.
    """
    names = {text for text in entries if (read := entry_of(text)) and read.by == "name"}
    claims, pins = _claims(person), pins_of(session)
    news = [_look_alike(person, entry) for entry in sorted(names - set(claims))]
    for entry in sorted(names & set(claims) - set(pins)):
        subject = claims[entry]
        session.add(RolePin(entry=entry, subject=subject))
        record(
            session,
            replace(SYSTEM, address=address),
            "role.pin",
            f"role:{entry}",
            target_name=entry,
            after={"subject": subject},
        )
        news.append(
            f"{entry} of the settings stands for {subject} from now on. If that is somebody else, "
            f"name the right one by number instead, like {subject.replace(':', ':sub:', 1)}."
        )
    return [sentence for sentence in news if sentence]


def _claims(person: Person) -> dict[str, str]:
    """Entry -> subject, for every name this person has."""
    told = {f"{person.provider}:{person.username}": person.id} if is_plain(person.username) else {}
    of = {(f"{ORGANISATION}:{name}", sub) for sub, name in person.organisations if is_plain(name)}
    return told | {entry: f"{ORGANISATION}:{sub}" for entry, sub in of}


def _look_alike(person: Person, entry: str) -> str:
    """A warning if this person's name could be taken for the one in the settings, else ""."""
    if bare(f"{person.provider}:{person.username}") != bare(entry):
        return ""
    return (
        f"WARNING: {person.id} signed in as {shown(person.username)}, which looks like {entry} of "
        "the settings and is not the same text. It got no role by that."
    )
