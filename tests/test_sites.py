"""Wish against fact, with a real SuperLink and real sites; losses and traffic."""

from __future__ import annotations

import time
import tomllib
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_private_key,
)
from flwr.proto.node_pb2 import NodeInfo

from blossomtune_gradio.flower.link.facts import Node, node_fact
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.review.directory import DirectoryRow
from blossomtune_gradio.services.review.query import SITES, Query
from blossomtune_gradio.services.sites.reconciler import Key
from blossomtune_gradio.services.sites.records import SiteRecords
from blossomtune_gradio.services.sites.traffic import Traffic
from blossomtune_gradio.store.models import (
    AuditEntry,
    Mail,
    NodeKey,
    Participant,
    RunStatus,
    now,
)
from tests.flower_stack import make_private_key
from tests.live import LiveFederation
from tests.people import ADMIN, approved
from tests.support import wait_for

LOST_AFTER = timedelta(minutes=10)


# -- losses, without a SuperLink -----------------------------------------------------------------


@pytest.fixture
def records(database):
    with database.write() as session:
        row = Participant(user_id="local:n", site="North", email="n@example.org")
        row.status_word, row.partition_id = "approved", 0
        session.add(row)
        session.flush()
        session.add(NodeKey(fingerprint="f", participant_id=row.id, pem="p", node_id="5"))
    return SiteRecords(database, Outbox(database), Traffic(), LOST_AFTER, lambda *_: None)


def look(records: SiteRecords, database, status: str, away: timedelta, answers: timedelta) -> None:
    """One look at a site that was last seen so long ago, by a SuperLink that is up so long."""
    with database.read() as session:
        key = session.get_one(NodeKey, "f")
        row = session.get_one(Participant, key.participant_id)
    known = Key(
        fingerprint=key.fingerprint,
        pem=key.pem,
        node_id=key.node_id,
        lost_at=key.lost_at,
        participant_id=row.id,
        site=row.site,
        email=row.email,
    )
    node = Node(5, "North", status, b"p", None, None, now() - away, None)
    records.look([known], {5: node}, now() - answers)


def mails(database) -> list[tuple[str, str]]:
    with database.read() as session:
        return [(mail.kind, mail.recipient) for mail in session.query(Mail)]


DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def test_a_loss_is_mailed_once_and_again_only_after_the_site_was_back(records, database):
    look(records, database, "offline", 9 * MINUTE, DAY)
    assert mails(database) == []
    for _ in range(3):
        look(records, database, "offline", 11 * MINUTE, DAY)
    assert mails(database) == [("site_lost", "n@example.org")]
    look(records, database, "online", timedelta(), DAY)
    look(records, database, "offline", 11 * MINUTE, DAY)
    assert len(mails(database)) == 2
    with database.read() as session:
        actions = [entry.action for entry in session.query(AuditEntry).order_by(AuditEntry.id)]
    assert actions == ["site.lost", "site.back", "site.lost"]


def test_after_a_pause_of_the_superlink_every_site_has_its_time_to_come_back(records, database):
    look(records, database, "offline", DAY, MINUTE)
    assert mails(database) == []
    look(records, database, "offline", DAY, 11 * MINUTE)
    assert len(mails(database)) == 1


def test_a_site_that_never_came_is_not_lost(records, database):
    records.look([], {}, now() - DAY)
    look(records, database, "registered", DAY, DAY)
    assert mails(database) == []


def test_traffic_is_added_to_what_was_written_before(database):
    traffic = Traffic()
    with database.write() as session:
        row = Participant(user_id="local:n", site="North", email="n@example.org")
        session.add(row)
        session.flush()
        session.add(NodeKey(fingerprint="f", participant_id=row.id, pem="p", node_id="5"))
    records = SiteRecords(database, Outbox(database), traffic, LOST_AFTER, lambda *_: None)
    for _ in range(2):
        traffic.add(b"cA==", 10, 300)  # base64 of "p"
        traffic.add(b"no base64!", 1, 1)
        records.write({})
    with database.read() as session:
        key = session.get_one(NodeKey, "f")
    assert (key.bytes_received, key.bytes_sent, key.requests) == (20, 600, 2)


# -- the real thing ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("sites")
    with LiveFederation(folder, site_lost_minutes=0.03, partitions=8) as made:
        yield made


def node_status(federation: LiveFederation, name: str) -> str:
    """Flower's newest word for the site of that name."""
    nodes = federation.app.superlink.control.nodes()
    return [node.status for node in nodes if node.name == name][-1]


def drift(federation: LiveFederation) -> str:
    return "\n".join(one.text for one in federation.app.sites.drift(ADMIN))


def give_key(federation: LiveFederation, name: str, pem: str) -> int:
    """An approved participant whose public key was handed in; their number."""
    app = federation.app
    row = approved(app.participants, app.outbox, name)
    with app.database.write() as session:
        session.add(NodeKey(fingerprint=f"made {name}", participant_id=row.id, pem=pem))
    app.sites.wake()
    return row.id


def actions(federation: LiveFederation, participant_id: int) -> list[str]:
    details = federation.app.directory.details(ADMIN, participant_id)
    return [entry.action for entry in details.history]


@pytest.mark.slow
def test_who_waits_for_the_superlink_is_told_and_registered_once_it_is_there(federation, tmp_path):
    number = give_key(federation, "early", make_private_key(tmp_path / "k").pem.decode())
    wait_for(lambda: "SuperLink is not running: Site early" in drift(federation))
    federation.app.federation.start(by=ADMIN)
    wait_for(lambda: "site.register" in actions(federation, number), 20)
    wait_for(lambda: "not running" not in drift(federation))
    federation.app.participants.revoke(number, ADMIN, "only a test")
    wait_for(lambda: "site.unregister" in actions(federation, number), 10)


@pytest.mark.slow
def test_a_key_that_nobody_handed_in_is_cut_off_and_told(federation, tmp_path):
    control = federation.app.superlink.control
    stranger = control.register(make_private_key(tmp_path / "k").pem, "stranger")
    wait_for(lambda: node_status(federation, "stranger") == "unregistered")
    wait_for(lambda: "nobody handed in here (stranger)" in drift(federation))
    with federation.app.database.read() as session:
        entry = session.query(AuditEntry).where(AuditEntry.target == f"node:{stranger}").one()
    assert entry.action == "site.unregister"


@pytest.mark.slow
def test_a_key_flower_refuses_is_retired_and_told_until_another_one_comes(federation, tmp_path):
    burnt = make_private_key(tmp_path / "burnt").pem
    control = federation.app.superlink.control
    node = control.register(burnt, "before")
    wait_for(lambda: node_status(federation, "before") == "unregistered")
    number = give_key(federation, "burnt", burnt.decode())
    wait_for(lambda: "refused the key of Site burnt" in drift(federation))
    assert "site.refuse" in actions(federation, number)
    keys = federation.app.directory.details(ADMIN, number).keys
    assert all(key.retired_at for key in keys)
    with federation.app.database.write() as session:
        pem = make_private_key(tmp_path / "fresh").pem.decode()
        session.add(NodeKey(fingerprint="fresh", participant_id=number, pem=pem))
    wait_for(lambda: "refused the key of Site burnt" not in drift(federation))
    federation.app.participants.revoke(number, ADMIN, "only a test")
    assert node


@pytest.mark.slow
def test_one_site_that_cannot_be_registered_keeps_no_other_waiting(federation, tmp_path):
    bad = give_key(federation, "bad", "this is no key")
    good = give_key(federation, "good", make_private_key(tmp_path / "k").pem.decode())
    wait_for(lambda: "site.register" in actions(federation, good))
    wait_for(lambda: "Site bad" in drift(federation))
    for number in (bad, good):
        federation.app.participants.revoke(number, ADMIN, "only a test")


@pytest.mark.slow
def test_approve_online_work_revoke_gone_and_the_superlink_stays(federation):
    app, superlink = federation.app, federation.app.superlink.status.pid
    began = time.monotonic()
    federation.add_sites("North", "South")
    print(f"request, approval, kit, join.py, online: {time.monotonic() - began:.1f} s")
    run = federation.ended(federation.start("message_app"))
    assert run.status is RunStatus.COMPLETED, run.cause

    def person(name: str) -> DirectoryRow:
        return app.directory.page(ADMIN, Query(view=SITES, search=name)).people[0]

    for name in ("North", "South"):
        wait_for(lambda name=name: person(name).rounds >= run.rounds, 30)
        assert person(name).rounds == run.rounds
        assert person(name).received > 1000
        assert person(name).sent > 1000
    fact = app.superlink.control.run(int(run.flower_run_id))
    whole = sum(person(name).received for name in ("North", "South"))
    assert whole >= fact.bytes_received, "the gateway counts also what belongs to no run"

    _revoke_idle(federation, person("South").row.id)
    federation.app.participants.revoke(person("North").row.id, ADMIN, "contract ended")
    assert app.superlink.status.pid == superlink


def _revoke_idle(federation: LiveFederation, number: int) -> None:
    began = time.monotonic()
    federation.app.participants.revoke(number, ADMIN, "contract ended")
    wait_for(lambda: node_status(federation, "South") == "unregistered", 5)
    print(f"idle: revoked, its requests are refused after {time.monotonic() - began:.2f} s")
    wait_for(lambda: any("revoked" in line for line in federation.log("site-south")), 40)
    print(f"idle: the site knows after {time.monotonic() - began:.1f} s")
    assert "site.unregister" in actions(federation, number)


@pytest.mark.slow
def test_the_owner_of_a_site_that_went_away_is_mailed(federation):
    federation.add_sites("West")
    assert "west@example.org" not in _lost(federation)
    federation.sites["West"].leave()
    wait_for(lambda: _lost(federation) == ["west@example.org"], 90)


def _lost(federation: LiveFederation) -> list[str]:
    with federation.app.database.read() as session:
        return [mail.recipient for mail in session.query(Mail).where(Mail.kind == "site_lost")]


@pytest.mark.slow
def test_a_site_that_asks_while_the_superlink_is_away_is_told_to_ask_again(federation):
    """Nobody knows then how long Flower counts its last session."""
    app, home = federation.app, federation.folder / "sites" / "West"
    kit = tomllib.loads((home / "site.toml").read_text())
    key = load_ssh_private_key((home / "site.key").read_bytes(), None).public_key()
    asked = {
        "token": kit["token"],
        "public_key": key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
    }

    def answer() -> tuple[bool, float]:
        address = f"{federation.server.url}/api/v1/join"
        told = httpx.post(address, json=asked, timeout=30, trust_env=False).json()
        return told["registered"], told["wait_seconds"]

    wait_for(lambda: answer() == (True, 0.0), 30)
    app.federation.stop(by=ADMIN)
    assert answer() == (False, 0.0)
    app.federation.start(by=ADMIN)
    assert answer() == (True, 0.0)


def test_a_node_that_is_back_was_still_away_in_between():
    info = NodeInfo(
        node_id=5,
        status="online",
        last_activated_at="2026-01-01T10:02:00+00:00",
        last_deactivated_at="2026-01-01T10:01:00+00:00",
    )
    node, ten = node_fact(info), datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert node.away_between(ten, ten + 2 * MINUTE)
    assert not node.away_between(ten, ten + MINUTE / 2)
    assert not node.away_between(ten + 2 * MINUTE, ten + 3 * MINUTE)
    assert not node_fact(NodeInfo(node_id=5, status="online")).away_between(ten, ten + DAY)
