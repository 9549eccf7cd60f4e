"""Kits: what is in them, and what a site is answered when it hands its key in."""

import io
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from datetime import timedelta
from importlib import metadata
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from blossomtune_gradio.errors import InvalidInput, NotAllowed, NotPossible, SettingsError
from blossomtune_gradio.providers import Provider
from blossomtune_gradio.services.entrances import Entrance, Entrances
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.people.limits import TooOften
from blossomtune_gradio.services.people.participants import ParticipantService
from blossomtune_gradio.services.sites import kit_files
from blossomtune_gradio.services.sites.joining import TokenRefused
from blossomtune_gradio.services.sites.kits import KitService
from blossomtune_gradio.site.preflight import GO_TOGETHER
from blossomtune_gradio.store.models import AuditEntry, NodeKey, Participant, ParticipantStatus
from blossomtune_gradio.tls import ensure_server_credentials
from tests.people import ADMIN, PrivateKey, approved, ask, person

BY_FLEET = Entrance("a:1", b"ca")
PROVIDER = Provider(
    name="id", label="Id", issuer="https://id.example", client_id="us", client_secret="s"
)


@pytest.fixture
def participants(database, settings, options):
    return ParticipantService(database, settings, options, Outbox(database), lambda: None)


@pytest.fixture
def kits(database, settings, options):
    credentials = ensure_server_credentials(settings.data_dir / "certificates", ["127.0.0.1"])
    outbox = Outbox(database)
    entrances = Entrances(settings, credentials.ca_cert, lambda: 7861)
    return KitService(database, settings, options, outbox, entrances, lambda: None)


@pytest.fixture
def ada(participants, database):
    return approved(participants, Outbox(database), "ada")


def fresh_key() -> str:
    return PrivateKey().openssh


def signed(kits: KitService, row: Participant, folder: Path) -> str:
    """What a person pastes who types the two commands of the page."""
    folder.mkdir(exist_ok=True)
    ways, said = kits.ways(row.id, by=ADMIN), ""
    for name in ("own_key", "prove"):
        typed = subprocess.run(
            ways[name], shell=True, cwd=folder, check=True, capture_output=True, text=True
        )
        said = typed.stdout
    return said


def token_of(kit: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(kit)) as files:
        return tomllib.loads(files.read("site.toml").decode())["token"]


def test_a_kit_has_all_a_site_needs_and_no_private_key(kits, ada):
    with zipfile.ZipFile(io.BytesIO(kits.make(ada.id, by=person("ada")))) as files:
        names = set(files.namelist())
        everything = b"".join(files.read(name) for name in names)
        site = tomllib.loads(files.read("site.toml").decode())
    assert names == {"site.toml", "ca.pem"} | {name for name, _ in kit_files.programs()}
    assert {"join.py", "README.txt", "Dockerfile", "blossomtune-site.service"} < names
    assert {"blossomtune_site/preflight.py", "blossomtune_site/executor.py"} < names
    assert (site["partition_id"], site["num_partitions"]) == (0, 3)
    assert site["superlink"] == "127.0.0.1:7861"
    assert b"BEGIN PRIVATE KEY" not in everything
    assert b"BEGIN OPENSSH PRIVATE KEY" not in everything


def test_only_its_owner_may_read_the_token_that_lies_in_a_kit(kits, ada):
    with zipfile.ZipFile(io.BytesIO(kits.make(ada.id, by=ADMIN))) as files:
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in files.infolist()}
    assert modes.pop("site.toml") == 0o600
    assert set(modes.values()) == {0o644}


def test_the_same_content_is_the_same_kit():
    assert kit_files.packed("a = 1", b"ca") == kit_files.packed("a = 1", b"ca")


def test_every_text_of_the_kit_names_the_flwr_that_was_tested():
    pins = (Path(__file__).parent.parent / "constraints.txt").read_text()
    wanted = re.search(r"^flwr==([0-9]+\.[0-9]+)\.", pins, re.M)[1]
    texts = [content.decode() for _, content in kit_files.programs()]
    texts += kit_files.ways(BY_FLEET, 0, 1).values()
    named = {found for text in texts for found in re.findall(r"flwr==([0-9.]+)\.\*", text)}
    assert named == {wanted}
    assert ".".join(metadata.version("flwr").split(".")[:2]) in GO_TOGETHER


def test_the_manual_the_kit_and_the_page_name_the_same_commands():
    manual = (Path(__file__).parent.parent / "docs" / "site.md").read_text()
    ways, files = kit_files.ways(BY_FLEET, 0, 1), dict(kit_files.programs())
    for name in ("kit", "systemd", "docker", "own_key"):
        assert ways[name] in manual
    for name, file in (("kit", "README.txt"), ("docker", "Dockerfile")):
        bare = "\n".join(line.strip("# ") for line in files[file].decode().splitlines())
        assert "\n".join(line.strip() for line in ways[name].splitlines()) in bare


def test_a_key_made_by_the_shown_command_is_taken(kits, ada, tmp_path):
    taken = kits.accept_key(ada.id, signed(kits, ada, tmp_path), by=person("ada"))
    assert (tmp_path / "site.key.pub").read_text().startswith(taken.openssh)


def test_systemd_understands_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd here")
    python = tmp_path / "federation" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    text = kit_files.ways(BY_FLEET, 0, 1)["unit"]
    assert text.count("%h/federation") == 2
    unit = tmp_path / "blossomtune-site.service"
    unit.write_text(text.replace("%h", str(tmp_path)))
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert "blossomtune-site.service" not in checked.stderr, checked.stderr


def test_taking_a_kit_and_joining_are_told_and_written_down(kits, ada, database):
    token, key = token_of(kits.make(ada.id, by=person("ada"))), PrivateKey()
    for _ in range(2):  # a site asks at each start; only the first time is news
        kits.join(*key.handed_in(token), address="192.0.2.7")
    told = [mail for mail in Outbox(database).newest(ADMIN) if mail.kind == "kit_taken"]
    assert [mail.recipient for mail in told] == [ada.email]
    assert token not in told[0].body
    with database.read() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action.like("kit.%"))).all()
    assert [entry.action for entry in entries] == ["kit.make", "kit.join"]
    assert {entry.target for entry in entries} == {f"participant:{ada.id}"}
    assert (entries[0].actor_name, entries[1].address) == ("ada", "192.0.2.7")
    assert token not in repr([entry.after for entry in entries])


def test_asking_whether_a_token_is_good_does_not_use_it_up(kits, ada):
    token, key = token_of(kits.make(ada.id, by=ADMIN)), PrivateKey()
    assert not kits.check(token).key_known
    assert not kits.check(token, key.openssh).key_known
    kits.join(*key.handed_in(token))
    assert kits.check(token, key.openssh).key_known
    with pytest.raises(NotPossible, match="used with another key"):
        kits.check(token)


def test_a_pasted_key_replaces_the_one_before_and_is_written_down(kits, ada, database, tmp_path):
    kits.join(*PrivateKey().handed_in(token_of(kits.make(ada.id, by=ADMIN))))
    taken = kits.accept_key(ada.id, signed(kits, ada, tmp_path), by=person("ada"))
    assert kits.accept_key(ada.id, f"{taken.openssh} ada@laptop", by=ADMIN) == taken
    with database.read() as session:
        alive = session.scalars(select(NodeKey).where(NodeKey.retired_at.is_(None))).all()
        actions = session.scalars(select(AuditEntry.action)).all()
    assert [key.fingerprint for key in alive] == [taken.fingerprint]
    assert actions.count("kit.key") == 1


def test_a_key_is_pasted_by_the_owner_or_an_admin_and_is_nobody_elses(
    kits, ada, participants, database, tmp_path
):
    bob = approved(participants, Outbox(database), "bob")
    mine = signed(kits, ada, tmp_path)
    key = kits.accept_key(ada.id, mine, by=person("ada")).openssh
    with pytest.raises(NotAllowed):
        kits.accept_key(ada.id, mine, by=person("bob"))
    with pytest.raises(NotPossible, match="used before"):
        kits.accept_key(bob.id, key, by=ADMIN)
    kits.accept_key(ada.id, fresh_key(), by=ADMIN)
    with pytest.raises(NotPossible, match="never takes a key back"):
        kits.accept_key(ada.id, mine, by=person("ada"))


def test_nobody_can_hand_in_the_public_key_of_somebody_else(
    kits, ada, participants, database, tmp_path
):
    bob = approved(participants, Outbox(database), "bob")
    theirs, mine = PrivateKey(), PrivateKey()
    token = token_of(kits.make(ada.id, by=ADMIN))
    with pytest.raises(NotPossible, match="older than the server"):
        kits.join(token, theirs.openssh)
    stolen = theirs.proof(token_of(kits.make(bob.id, by=ADMIN)))  # made for another token
    for proof in (mine.proof(token), stolen, "junk", "ÄÖ", theirs.proof(token)[:-8]):
        with pytest.raises(InvalidInput, match="not signed with this key"):
            kits.join(token, theirs.openssh, proof)
    signature = signed(kits, bob, tmp_path)
    lines = signature.splitlines()
    for pasted, said in (
        (theirs.openssh, "does not show that it is yours. Type: echo blossomtune-"),
        (signature, "signature of another word"),  # bob's, pasted by ada
        ("\n".join(lines[:3]), "damaged"),
        ("\n".join([lines[0], lines[1], lines[-1]]), "damaged"),
        (signature.replace(lines[2], "!" * 70), "damaged"),
    ):
        with pytest.raises(InvalidInput, match=said):
            kits.accept_key(ada.id, pasted, by=person("ada"))
    with database.read() as session:
        assert session.query(NodeKey).count() == 0
    kits.accept_key(bob.id, signature, by=person("bob"))
    kits.join(*theirs.handed_in(token))


def test_a_signature_for_another_purpose_shows_nothing(kits, ada, tmp_path):
    signed(kits, ada, tmp_path)
    command = kits.ways(ada.id, by=ADMIN)["prove"].replace("-n blossomtune", "-n git")
    typed = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
    with pytest.raises(InvalidInput, match="signed for something else"):
        kits.accept_key(ada.id, typed.stdout, by=person("ada"))


def test_a_private_key_pasted_by_mistake_is_refused_and_kept_nowhere(kits, ada):
    private = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    with pytest.raises(InvalidInput, match="must stay on the site") as refused:
        kits.accept_key(ada.id, private.decode(), by=person("ada"))
    assert private.splitlines()[1].decode() not in str(refused.value)


def test_the_ways_to_run_a_site_are_for_its_owner(kits, ada):
    ways = kits.ways(ada.id, by=person("ada"))
    assert "--superlink 127.0.0.1:7861" in ways["plain"]
    assert "partition-id=0 num-partitions=3" in ways["plain"]
    assert "ExecStart=" in ways["unit"]
    assert "FROM python:" in ways["dockerfile"]
    assert {"kit", "systemd", "docker", "own_key"} < set(ways)
    with pytest.raises(NotAllowed):
        kits.ways(ada.id, by=person("bob"))


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
    token, key = token_of(kits.make(ada.id, by=ADMIN)), PrivateKey()
    assert kits.join(*key.handed_in(token)) == kits.join(*key.handed_in(token))


def test_a_kit_works_for_one_key_only(kits, ada):
    token = token_of(kits.make(ada.id, by=ADMIN))
    kits.join(*PrivateKey().handed_in(token))
    with pytest.raises(NotPossible, match="used with another key"):
        kits.join(*PrivateKey().handed_in(token))


def test_a_new_kit_takes_a_new_key_and_the_old_one_is_burnt(kits, ada):
    old = PrivateKey()
    kits.join(*old.handed_in(token_of(kits.make(ada.id, by=ADMIN))))
    token = token_of(kits.make(ada.id, by=ADMIN))
    assert kits.join(*PrivateKey().handed_in(token)).site == "Site ada"
    with pytest.raises(NotPossible, match="never takes a key back"):
        kits.join(*old.handed_in(token))


def test_an_expired_token_is_refused_but_a_joined_site_may_ask_on(kits, ada, database):
    token, key = token_of(kits.make(ada.id, by=ADMIN)), PrivateKey()
    kits.join(*key.handed_in(token))
    late = token_of(kits.make(ada.id, by=ADMIN))
    with database.write() as session:
        session.get_one(Participant, ada.id).token_expires_at -= timedelta(hours=25)
    assert kits.join(*key.handed_in(late)).site == "Site ada"
    with pytest.raises(TokenRefused, match="expired"):
        kits.join(*PrivateKey().handed_in(late))


def test_an_unknown_token_is_refused(kits):
    with pytest.raises(TokenRefused, match="not valid"):
        kits.join(*PrivateKey().handed_in("no such token"))


def test_the_key_of_another_site_is_refused(kits, ada, participants, database):
    bob = approved(participants, Outbox(database), "bob")
    key = PrivateKey()
    kits.join(*key.handed_in(token_of(kits.make(ada.id, by=ADMIN))))
    with pytest.raises(NotPossible, match="used before"):
        kits.join(*key.handed_in(token_of(kits.make(bob.id, by=ADMIN))))


def test_a_revoked_site_learns_that_it_was_revoked_and_why(kits, ada, participants):
    token, key = token_of(kits.make(ada.id, by=ADMIN)), PrivateKey()
    kits.join(*key.handed_in(token))
    participants.revoke(ada.id, by=ADMIN, reason="contract ended")
    with pytest.raises(NotAllowed, match=r"Site ada was revoked .* contract ended"):
        kits.join(*key.handed_in(token))


def test_a_site_that_withdrew_is_told_so(kits, ada, database):
    token, key = token_of(kits.make(ada.id, by=ADMIN)), PrivateKey()
    kits.join(*key.handed_in(token))
    with database.write() as session:
        row = session.get_one(Participant, ada.id)
        row.move_to(ParticipantStatus.WITHDRAWN)
        row.token_hash = row.partition_id = None
    with pytest.raises(NotAllowed, match="Site ada withdrew"):
        kits.join(*key.handed_in(token))


@pytest.mark.parametrize("key", ["", "junk", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA", "x" * 4000])
def test_what_is_no_key_flower_accepts_is_refused(kits, ada, key):
    with pytest.raises(InvalidInput):
        kits.join(token_of(kits.make(ada.id, by=ADMIN)), key, "proof")


def test_a_site_gets_so_many_kits_an_hour_and_so_many_keys(
    kits, ada, participants, database, options
):
    bob = approved(participants, Outbox(database), "bob")
    for _ in range(10):
        newest = token_of(kits.make(ada.id, by=person("ada")))
        kits.accept_key(bob.id, fresh_key(), by=ADMIN)
    with pytest.raises(TooOften, match=r"Use the newest one, or get another in \d+ seconds\."):
        kits.make(ada.id, by=person("ada"))
    with pytest.raises(TooOften, match="Keep the newest one"):
        kits.accept_key(bob.id, fresh_key(), by=ADMIN)
    key = PrivateKey()
    for _ in range(12):  # who only asks again is not counted
        kits.join(*key.handed_in(newest))
    kits.make(bob.id, by=person("bob"))
    told = [mail for mail in Outbox(database).newest(ADMIN) if mail.kind == "kit_taken"]
    assert len(told) == 11


PAGE = "https://fl.example.org"


def entrances(settings, **options) -> Entrances:
    made = settings.but(providers=(PROVIDER,), **options)
    credentials = ensure_server_credentials(settings.data_dir / "certificates", ["127.0.0.1"])
    return Entrances(made, credentials.ca_cert, lambda: 7861)


def test_a_kit_for_the_page_names_its_https_address_and_leaves_trust_to_the_machine(
    database, settings, options, ada
):
    by_page = entrances(settings, public_url=PAGE)
    kits = KitService(database, settings, options, Outbox(database), by_page, lambda: None)
    with zipfile.ZipFile(io.BytesIO(kits.make(ada.id, by=ADMIN))) as files:
        assert "ca.pem" not in files.namelist()
        site = tomllib.loads(files.read("site.toml").decode())
    assert (site["superlink"], site["ca_fingerprint"]) == ("fl.example.org:443", "")
    assert site["join_url"] == f"{PAGE}/api/v1/join"
    plain = kits.ways(ada.id, by=ADMIN)
    assert "--superlink fl.example.org:443" in plain["plain"]
    assert "ca.pem" not in plain["plain"] + plain["plain_place"]
    assert "--root-certificates" not in plain["plain"]


def test_a_site_is_answered_with_the_entrance_it_came_by(database, settings, options, ada):
    both = entrances(settings, public_url=PAGE)
    kits = KitService(database, settings, options, Outbox(database), both, lambda: None)
    handed_in = PrivateKey().handed_in(token_of(kits.make(ada.id, by=ADMIN)))
    ways = (both.fleet, both.page)
    answers = [kits.join(*handed_in, came_by=way).superlink for way in ways]
    assert answers == ["127.0.0.1:7861", "fl.example.org:443"]


@pytest.mark.parametrize(
    ("options", "address", "sentence"),
    [
        ({}, "127.0.0.1:7861", "127.0.0.1:7861 with this server's own CA"),
        ({"public_url": PAGE}, "fl.example.org:443", f"{PAGE} (public certificate)"),
        ({"public_url": f"{PAGE}:8443"}, "fl.example.org:8443", f"{PAGE}:8443 (public cert"),
        ({"public_url": "https://[2001:db8::7]"}, "[2001:db8::7]:443", "https://[2001:db8::7] ("),
        ({"public_url": "https://FL.Grün.example"}, "fl.xn--grn-ioa.example:443", "https://FL."),
        ({"public_url": "http://localhost:7860"}, "127.0.0.1:7861", "127.0.0.1:7861 with"),
        ({"public_url": PAGE, "sites_via": "fleet"}, "127.0.0.1:7861", "127.0.0.1:7861 with"),
        ({"public_url": PAGE, "fleet_public_host": "f.example"}, "f.example:7861", "f.example:"),
        (
            {"public_url": PAGE, "fleet_public_host": "f.example", "sites_via": "page"},
            "fl.example.org:443",
            PAGE,
        ),
        ({"fleet_host": "::1"}, "[::1]:7861", "[::1]:7861 with"),
        (
            {"space_hosts": ("a-b.hf.space", "fl.example.org"), "fleet_public_host": "f.example"},
            "a-b.hf.space:443",
            "https://a-b.hf.space (public certificate)",
        ),
    ],
)
def test_where_sites_join_is_chosen_from_the_settings(settings, options, address, sentence):
    made = entrances(settings, **options)
    assert made.chosen.address == address
    assert made.sentence.startswith(f"Sites join at {sentence}")


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        ({"public_url": PAGE}, "take all sites for one"),
        ({"public_url": PAGE, "trusted_proxies": frozenset(("10.0.0.1",))}, ""),
        ({"public_url": PAGE, "sites_via": "fleet"}, "Only sites on this machine can join"),
        ({"space_hosts": ("a.hf.space",), "sites_via": "fleet"}, "reached at its page only"),
        ({"space_hosts": ("a.hf.space",)}, ""),
        ({"public_url": PAGE, "fleet_public_host": "f.example"}, ""),
    ],
)
def test_what_keeps_sites_away_is_told_at_start(settings, options, warning):
    told = entrances(settings, **options).warnings
    assert [warning in sentence for sentence in told] == ([True] if warning else [])


def test_only_certificates_of_the_operators_file_go_into_kits(settings, tmp_path):
    other = ensure_server_credentials(tmp_path / "other", [])
    file = tmp_path / "bundle.pem"
    parts = (other.key.read_text(), other.ca_cert.read_text(), "grüße", other.cert.read_text())
    file.write_text("\n".join(parts))
    made = entrances(settings, public_url=PAGE, sites_ca=file)
    page = made.page
    assert page.ca == other.ca_cert.read_bytes() + other.cert.read_bytes()
    assert page.ca.isascii()
    assert made.sentence == f"Sites join at {PAGE} (its CA is in each kit)."
    alone = entrances(settings, public_url=PAGE, sites_ca=other.ca_cert).page
    assert alone.ca_fingerprint == other.ca_fingerprint
    assert page.ca_fingerprint not in (alone.ca_fingerprint, "")


def test_a_ca_file_without_certificates_stops_the_start(settings, tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\n")
    with pytest.raises(SettingsError, match=r"BLOSSOMTUNE_SITES_CA is .* Name a PEM file"):
        entrances(settings, public_url=PAGE, sites_ca=file)
