"""Kits: what is in them, and what a site is answered when it hands its key in."""

import io
import tomllib
import zipfile
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from blossomtune_gradio.errors import InvalidInput, NotAllowed, NotPossible
from blossomtune_gradio.flower.credentials import ensure_server_credentials
from blossomtune_gradio.services.kits import KitService, TokenRefused
from blossomtune_gradio.services.outbox import Outbox
from blossomtune_gradio.services.participants import ParticipantService
from blossomtune_gradio.store.models import Participant
from tests.people import ADMIN, approved, ask, person


@pytest.fixture
def participants(database, settings, options):
    return ParticipantService(database, settings, options, Outbox(database), lambda: None)


@pytest.fixture
def kits(database, settings, options):
    credentials = ensure_server_credentials(settings.data_dir / "certificates", ["127.0.0.1"])
    return KitService(
        database, settings, options, credentials, lambda: "127.0.0.1:7861", lambda: None
    )


@pytest.fixture
def ada(participants, database):
    return approved(participants, Outbox(database), "ada")


def fresh_key() -> str:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return key.public_bytes(*form).decode()


def token_of(kit: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(kit)) as files:
        return tomllib.loads(files.read("site.toml").decode())["token"]


def test_a_kit_has_all_a_site_needs_and_no_private_key(kits, ada):
    with zipfile.ZipFile(io.BytesIO(kits.make(ada.id, by=person("ada")))) as files:
        names = set(files.namelist())
        everything = b"".join(files.read(name) for name in names)
        site = tomllib.loads(files.read("site.toml").decode())
    assert names == {"join.py", "executor.py", "site.toml", "ca.pem", "README.txt"}
    assert (site["partition_id"], site["num_partitions"]) == (0, 3)
    assert site["superlink"] == "127.0.0.1:7861"
    assert b"BEGIN PRIVATE KEY" not in everything
    assert b"BEGIN OPENSSH PRIVATE KEY" not in everything


def test_the_token_is_kept_as_a_hash_only(kits, ada, database):
    token = token_of(kits.make(ada.id, by=ADMIN))
    with database.read() as session:
        assert session.query(Participant).one().token_hash not in (None, token)


def test_nobody_else_gets_the_kit(kits, ada):
    with pytest.raises(NotAllowed):
        kits.make(ada.id, by=person("bob"))


def test_without_approval_there_is_no_kit(kits, participants):
    asked = ask(participants, person("bob"))
    with pytest.raises(NotPossible, match="needs an approved request"):
        kits.make(asked.id, by=ADMIN)


def test_a_site_that_asks_twice_with_its_key_is_answered_twice(kits, ada):
    token, key = token_of(kits.make(ada.id, by=ADMIN)), fresh_key()
    assert kits.join(token, key) == kits.join(token, key)


def test_a_kit_works_for_one_key_only(kits, ada):
    token = token_of(kits.make(ada.id, by=ADMIN))
    kits.join(token, fresh_key())
    with pytest.raises(NotPossible, match="used with another key"):
        kits.join(token, fresh_key())


def test_a_new_kit_takes_a_new_key_and_the_old_one_is_burnt(kits, ada):
    old = fresh_key()
    kits.join(token_of(kits.make(ada.id, by=ADMIN)), old)
    token = token_of(kits.make(ada.id, by=ADMIN))
    assert kits.join(token, fresh_key()).site == "Site ada"
    with pytest.raises(NotPossible, match="never takes a key back"):
        kits.join(token, old)


def test_an_expired_token_is_refused_but_a_joined_site_may_ask_on(kits, ada, database):
    token, key = token_of(kits.make(ada.id, by=ADMIN)), fresh_key()
    kits.join(token, key)
    late = token_of(kits.make(ada.id, by=ADMIN))
    with database.write() as session:
        session.get_one(Participant, ada.id).token_expires_at -= timedelta(hours=25)
    assert kits.join(late, key).site == "Site ada"
    with pytest.raises(TokenRefused, match="expired"):
        kits.join(late, fresh_key())


def test_an_unknown_token_is_refused(kits):
    with pytest.raises(TokenRefused, match="not valid"):
        kits.join("no such token", fresh_key())


def test_the_key_of_another_site_is_refused(kits, ada, participants, database):
    bob = approved(participants, Outbox(database), "bob")
    key = fresh_key()
    kits.join(token_of(kits.make(ada.id, by=ADMIN)), key)
    with pytest.raises(NotPossible, match="used before"):
        kits.join(token_of(kits.make(bob.id, by=ADMIN)), key)


def test_a_revoked_site_learns_that_it_was_revoked_and_why(kits, ada, participants):
    token, key = token_of(kits.make(ada.id, by=ADMIN)), fresh_key()
    kits.join(token, key)
    participants.revoke(ada.id, by=ADMIN, reason="contract ended")
    with pytest.raises(NotAllowed, match=r"Site ada was revoked .* contract ended"):
        kits.join(token, key)


@pytest.mark.parametrize("key", ["", "junk", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA", "x" * 4000])
def test_what_is_no_key_flower_accepts_is_refused(kits, ada, key):
    with pytest.raises(InvalidInput):
        kits.join(token_of(kits.make(ada.id, by=ADMIN)), key)
