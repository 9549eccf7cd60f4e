"""People of the tests and what they do: ask, read their mail, confirm."""

import re

from blossomtune_gradio.identity import LOCAL_ADMIN, Role, User
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.people.participants import ParticipantService
from blossomtune_gradio.store.models import Participant

ADMIN = LOCAL_ADMIN
_CODE = re.compile(r"\b[A-Z0-9]{4}-[A-Z0-9]{4}\b")


def person(name: str) -> User:
    """Somebody who signed in and has no further right."""
    return User(provider="local", sub=name, name=name, role=Role.PARTICIPANT)


def mailed_code(outbox: Outbox, user: User) -> str:
    """The code in the newest mail to this person."""
    mails = outbox.newest(ADMIN)
    body = next(mail.body for mail in mails if mail.recipient == f"{user.sub}@example.org")
    found = _CODE.search(body)
    assert found, body
    return found.group()


def ask(participants: ParticipantService, user: User) -> Participant:
    """Ask for access with a site and an address made from the name."""
    return participants.request_access(user, f"Site {user.name}", f"{user.sub}@example.org")


def approved(participants: ParticipantService, outbox: Outbox, name: str) -> Participant:
    """Somebody who went the whole way up to an approval."""
    user = person(name)
    asked = ask(participants, user)
    participants.confirm(user, mailed_code(outbox, user))
    return participants.approve(asked.id, by=ADMIN)
