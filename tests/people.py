"""People of the tests and what they do: ask, read their mail, confirm."""

import base64
import re

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from blossomtune_gradio.flower.link.possession import signed_token
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


class PrivateKey:
    """A key as `join.py` makes it."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP384R1())

    @property
    def openssh(self) -> str:
        """The public half, one line."""
        form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        return self.private.public_key().public_bytes(*form).decode()

    def proof(self, token: str) -> str:
        """What shows to whom it hands the token in that the private half is here."""
        signature = self.private.sign(signed_token(token), ec.ECDSA(hashes.SHA256()))
        return base64.b64encode(signature).decode()

    def handed_in(self, token: str) -> tuple[str, str, str]:
        """The arguments of `KitService.join`."""
        return token, self.openssh, self.proof(token)
