"""What a site says in another's name, or more often than it did, does not count."""

from __future__ import annotations

import base64
import sqlite3
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Message
from flwr.common.constant import TIMESTAMP_HEADER
from flwr.common.serde import message_to_proto
from flwr.proto.fleet_pb2 import PushMessagesRequest
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.date import now
from flwr.supercore.primitives.asymmetric import sign_message
from sqlalchemy import select

from blossomtune_gradio.flower.link.replies import PUSH_PATH, Forged, read
from blossomtune_gradio.services.review.query import SITES, Query
from blossomtune_gradio.services.sites.announcements import MOST_TIMES, Announcements
from blossomtune_gradio.services.sites.forgeries import Forgeries
from blossomtune_gradio.store.models import AuditEntry, NodeKey, Participant, RunStatus
from blossomtune_gradio.tls import ensure_server_credentials
from blossomtune_gradio.web.gateway import FleetGateway, fleet_app
from tests.fleet_door import Desk, Server
from tests.fleet_site import FleetSite, refusal
from tests.live import LiveFederation
from tests.people import ADMIN, approved
from tests.support import free_port, wait_for

pytest_plugins = ["tests.live_fixtures"]
ME, NORTH, SUPERLINK = 7, 8, 1
NAME = "a" * 64


def request(**said: object) -> PushMessagesRequest:
    """A good request of node `ME`, with other metadata."""
    body = PushMessagesRequest(clientapp_runtime_list=[0.5])
    body.node.node_id = ME
    body.message_object_trees.append(ObjectTree(object_id=NAME))
    metadata = body.messages_list.add().metadata
    good = {"message_id": NAME, "src_node_id": ME, "dst_node_id": SUPERLINK, "run_id": 3}
    good |= {"reply_to_message_id": "question", "message_type": "train", "created_at": 1.8e9}
    for name, value in (good | {"ttl": 60.0} | said).items():
        setattr(metadata, name, value)
    return body


def twice(body: PushMessagesRequest) -> None:
    body.messages_list.add().CopyFrom(body.messages_list[0])


def never_ending(body: PushMessagesRequest) -> None:
    body.clientapp_runtime_list[0] = float("nan")


FORGED: dict[str, tuple[dict[str, object], Callable[[PushMessagesRequest], object]]] = {
    "comes from another site": ({"src_node_id": NORTH}, bool),
    "comes from another site ": ({"src_node_id": SUPERLINK}, bool),  # so would the ServerApp's
    "no reply but a message to others": ({"reply_to_message_id": ""}, bool),
    "no reply but a message": ({"dst_node_id": NORTH}, bool),
    "not what its object is called": ({"message_id": "b" * 64}, bool),
    "is not what its object": ({"message_id": ""}, bool),
    "a time in it is no number": ({"ttl": float("inf")}, bool),
    "a time in it is no": ({"created_at": float("nan")}, bool),
    "a time in it": ({}, never_ending),
    "exactly one reply": ({}, twice),
    "exactly one": ({}, lambda body: body.message_object_trees.pop()),
    "not hold exactly one": ({}, lambda body: body.ClearField("messages_list")),
}


@pytest.mark.parametrize("clause", FORGED)
def test_what_no_supernode_announces_is_forged(clause):
    said, spoil = FORGED[clause]
    body = request(**said)
    spoil(body)
    with pytest.raises(Forged, match=clause.strip()):
        read(body.SerializeToString())


def test_bytes_that_are_no_request_are_forged():
    with pytest.raises(Forged, match="cannot be read"):
        read(b"\xff\xff\xff")


def test_a_reply_is_read_with_its_question_and_its_error():
    body = request()
    reply = read(body.SerializeToString())
    assert (reply.node_id, reply.run_id, reply.question) == (ME, 3, "question")
    assert (reply.message_id, reply.error) == (NAME, None)
    body.messages_list[0].error.reason = "no data"
    assert read(body.SerializeToString()).error == "no data"


class Box:
    """The SuperLink's record of one question."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def kind_of(self, message_id: str) -> str:
        return self._kind if message_id == "question" else ""


@pytest.mark.parametrize(
    ("kind", "question", "error", "rounds"),
    [
        ("train", "question", "", [1, 0, 0]),
        ("train.default", "question", "", [1, 0, 0]),
        ("evaluate", "question", "", [0, 0, 0]),
        ("train", "question", "it broke", [0, 0, 0]),
        ("train", "of nobody", "", [0, 0, 0]),
    ],
)
def test_a_round_is_a_question_to_train_once_answered_well(kind, question, error, rounds):
    counted = Announcements(Box(kind))  # type: ignore[arg-type]
    body = request(reply_to_message_id=question)
    if error:
        body.messages_list[0].error.reason = error
    found = counted.examine(body.SerializeToString())
    assert [counted.taken(*found) for _ in range(3)] == rounds


def test_a_reply_is_announced_so_many_times_and_no_more():
    counted = Announcements(Box("train"))  # type: ignore[arg-type]
    body = request().SerializeToString()
    for _ in range(MOST_TIMES):
        counted.taken(*counted.examine(body))
    with pytest.raises(Forged, match="announced 5 times"):
        counted.examine(body)
    counted.examine(request(reply_to_message_id="another").SerializeToString())


def test_forgeries_are_told_without_flooding_anything(database, caplog):
    clock = [0.0]
    with database.write() as session:
        row = Participant(user_id="local:m", site="Mill", email="m@example.org")
        session.add(row)
        session.flush()
        session.add(NodeKey(fingerprint="f", participant_id=row.id, pem="p", node_id="5"))
    forgeries = Forgeries(database, lambda: clock[0])

    def entries() -> int:
        with database.read() as session:
            return session.query(AuditEntry).filter_by(action="site.forgery").count()

    forgeries.tell(b"bm9ib2R5", "it is forged")
    forgeries.tell(b"no base64!", "it is forged")
    assert (caplog.messages, entries()) == ([], 0)  # keys of nobody blame nobody
    for _ in range(60):
        forgeries.tell(b"cA==", "it is forged")  # base64 of "p"
    assert (caplog.messages, entries()) == (
        ["A reply that Mill signed was refused: it is forged."],
        1,
    )
    clock[0] += 61
    forgeries.tell(b"cA==", "it is forged")
    assert (len(caplog.messages), entries()) == (2, 1)
    clock[0] += 24 * 3600
    forgeries.tell(b"cA==", "it is forged")
    assert (len(caplog.messages), entries()) == (3, 2)


def test_only_who_signed_a_forgery_is_blamed_for_it(tmp_path):
    """Nobody is behind the gateway: a forgery does not get that far."""
    credentials, heard = ensure_server_credentials(tmp_path / "certificates", []), []
    gateway = FleetGateway(
        lambda: f"https://127.0.0.1:{free_port()}",
        credentials.ca_cert,
        on_forgery=lambda key, what: heard.append((key, what)),
    )
    forged = request(src_node_id=NORTH)
    context = ssl.create_default_context(cafile=str(credentials.ca_cert))
    with Server(fleet_app(gateway, Desk()), credentials) as front:
        door, ca = front.address, credentials.ca_cert
        with FleetSite(door, ca, ec.generate_private_key(ec.SECP384R1())) as mallory:
            with pytest.raises(httpx.HTTPStatusError) as error:
                mallory.client.PushMessages(forged)
            assert refusal(error.value)[0] == 400
            mine = base64.b64encode(mallory.pem.encode())
            signed = sign(mallory)
        with FleetSite(door, ca, ec.generate_private_key(ec.SECP384R1())) as victim:
            theirs = base64.b64encode(victim.pem.encode())
        assert heard == [(mine, "the reply says that it comes from another site")]
        with httpx.Client(verify=context, trust_env=False) as client:
            for headers in (
                [("flwr-public-key", theirs.decode())],
                [("flwr-public-key", theirs.decode()), *signed],
                [("flwr-public-key", theirs.decode()), *signed[1:]],
            ):
                answer = client.post(
                    f"https://{door}{PUSH_PATH}",
                    headers=headers,
                    content=forged.SerializeToString(),
                )
                assert answer.status_code in (400, 401)
    assert len(heard) == 1


def sign(site: FleetSite) -> list[tuple[str, str]]:
    """The headers of a signed request, the key first."""
    moment = now().isoformat()
    signature = base64.b64encode(sign_message(site.key, moment.encode())).decode()
    key = base64.b64encode(site.pem.encode()).decode()
    return [("flwr-public-key", key), (TIMESTAMP_HEADER, moment), ("flwr-signature", signature)]


# -- the real thing ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mallory(federation: LiveFederation) -> Iterator[FleetSite]:
    """A participant of the federation whose site speaks as it likes."""
    app = federation.app
    row = approved(app.participants, app.outbox, "mallory")
    ca = app.credentials.ca_cert
    with FleetSite(app.fleet_address(), ca, ec.generate_private_key(ec.SECP384R1())) as site:
        app.kits.accept_key(row.id, site.openssh, ADMIN)
        wait_for(lambda: any(s.node_id for s in app.sites.sites(ADMIN) if "mallory" in s.name))
        site.activate()
        wait_for(lambda: "Site mallory" in federation.online())
        yield site
    app.participants.revoke(row.id, ADMIN, "only a test")


def question(site: FleetSite) -> Message:
    found: list[Message] = []
    wait_for(lambda: found.append(site.pull()) or found[-1] is not None, 60)
    return found[-1]


def questions(federation: LiveFederation) -> list[tuple[str, int]]:
    """Name and node of each question that lies in the SuperLink."""
    path = federation.app.settings.data_dir / "flower" / "superlink.db"
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT message_id, dst_node_id FROM message_ins").fetchall()
    return [(name, node % 2**64) for name, node in rows]


def rounds(federation: LiveFederation, name: str) -> int:
    page = federation.app.directory.page(ADMIN, Query(view=SITES, search=name))
    return page.people[0].rounds


@pytest.mark.slow
def test_a_reply_in_another_sites_name_is_refused_and_the_round_is_right(federation, mallory):
    before = rounds(federation, "North")
    run = federation.start("message_app", num_server_rounds=1, evaluate=False, client_sleep=3.0)
    mine = question(mallory)
    theirs = next(n for n in questions(federation) if n[1] != mallory.node.node_id)
    forged = mallory.announced(mallory.reply(mine, loss=99.0))
    metadata = forged.messages_list[0].metadata
    metadata.reply_to_message_id, metadata.src_node_id = theirs
    order = PushMessagesRequest(node=mallory.node, message_object_trees=forged.message_object_trees)
    order.messages_list.add().CopyFrom(message_to_proto(mine))
    order.messages_list[0].metadata.dst_node_id = theirs[1]
    order.messages_list[0].metadata.message_id = forged.message_object_trees[0].object_id
    for wrong in (forged, order):
        with pytest.raises(httpx.HTTPStatusError) as error:
            mallory.client.PushMessages(wrong)
        code, text = refusal(error.value)
        assert code == 400
        assert "another site" in text or "message to others" in text
    mallory.push(mallory.reply(mine))
    ended = federation.ended(run)
    assert ended.status is RunStatus.COMPLETED, ended.cause
    with federation.app.database.read() as session:
        told = session.scalars(select(AuditEntry).where(AuditEntry.action == "site.forgery")).all()
    assert {entry.target_name for entry in told} == {"Site mallory"}
    assert any("Site mallory signed was refused" in line for line in federation.log("blossomtune"))
    wait_for(lambda: rounds(federation, "North") == before + 1, 30)
    wait_for(lambda: rounds(federation, "mallory") == 1, 30)


@pytest.mark.slow
def test_a_reply_announced_sixty_times_and_never_sent_is_one_round_and_holds_nobody(
    federation, mallory
):
    north, before = rounds(federation, "North"), rounds(federation, "mallory")
    run = federation.start("message_app", num_server_rounds=1, evaluate=False)
    reply = mallory.reply(question(mallory))
    codes = []
    for _ in range(60):
        try:
            mallory.client.PushMessages(mallory.announced(reply))
        except httpx.HTTPStatusError as error:
            codes.append(refusal(error)[0])
    assert codes == [400] * (60 - MOST_TIMES)
    mallory.pull()  # it has nothing more to send, it says
    federation.ended(run, 60)
    wait_for(lambda: rounds(federation, "North") == north + 1, 30)
    assert rounds(federation, "mallory") == before + 1
