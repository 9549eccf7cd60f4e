"""Work that gets lost between SuperLink and SuperNode: no run waits for it."""

from __future__ import annotations

import asyncio
import base64
import http.client
import sqlite3
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
import tomli_w
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_private_key,
)
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blossomtune_gradio.flower.link.messages import MessageBox, OpenMessage
from blossomtune_gradio.flower.link.replies import KEY_HEADER, PULL_PATH, PUSH_PATH
from blossomtune_gradio.services.sites.handover import MOST_TIMES, Handover
from blossomtune_gradio.web.gateway import FleetGateway, fleet_app
from tests.fleet_door import Desk, Server
from tests.flower_stack import APPS, FlowerStack, make_private_key
from tests.support import held, wait_for

CONFIRM_PATH = "/v1/fleet/confirm-message-received"  # once for each message
OBJECT_PATH = "/v1/fleet/push-object"
PATIENCE = 120  # seconds; Flower's own would be 180 or 3600
TRAINED_ONCE, TRAINED_TWICE = "2: {'accuracy': '5.0000e-01'", "2: {'accuracy': '7.5000e-01'"
LOST = "Charité lost work on the way; it is handed out again."


class Breaks:
    """A piece of the way on which things get lost once it is told to lose them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._path = self._how = ""
        self.left = 0

    def lose(
        self, path: str, how: str, times: int = 1, until: Callable[[], bool] = lambda: True
    ) -> None:
        """Lose the next `times` answers with a body, or requests, to `path`.

        `how`: "half" of the answer comes, then the line is cut; the answer is lost and whoever
        stands in between says "502", after `until` is true; the request is "refused" before anybody
        else sees it, or "held" until `left` is 0.
        """
        self._path, self._how, self._until, self.left = path, how, until, times

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") != self._path or not self.left:
            await self._app(scope, receive, send)
        elif self._how == "refused":
            self.left -= 1
            await _answer(send, 400)
        elif self._how == "held":
            while self.left:
                await asyncio.sleep(0.05)
            await _answer(send, 502)
        else:
            await self._lose_the_answer(scope, receive, send)

    async def _lose_the_answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)

        await self._app(scope, receive, keep)
        body = b"".join(message.get("body", b"") for message in kept)
        if not body:
            for message in kept:
                await send(message)
            return
        self.left -= 1
        if self._how == "502":
            await asyncio.to_thread(wait_for, self._until, 20)
            await _answer(send, 502)
            return
        length = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": body[: len(body) // 2]})
        raise ConnectionAbortedError("cut off, as the test wants it")


async def _answer(send: Send, status: int) -> None:
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


class Site:
    """A SuperNode that comes to a real SuperLink by a gateway, with a `Breaks` on either side."""

    def __init__(self, stack: FlowerStack, folder: Path) -> None:
        self.stack, self.folder, self.key = stack, folder, folder / "site.key"
        self.node_id = stack.control.register(make_private_key(self.key).pem, "Charité")
        self.said: list[tuple[str, int]] = []
        """Sentences on lost work, and Flower's number of the run."""
        self.behind = Breaks(fleet_app(self._gateway(stack.address), Desk()))
        self._back = Server(self.behind, stack.credentials)
        handover = Handover(MessageBox(stack.database), self._hear)
        self.before = Breaks(fleet_app(self._gateway(self._back.address, handover), Desk()))
        self.door = Server(self.before, stack.credentials)

    def __enter__(self) -> Site:
        self._back.__enter__()
        self.door.__enter__()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.door.__exit__(None, None, None)
        self._back.__exit__(None, None, None)

    def start(self) -> None:
        """Returns once Flower counts it as online."""
        self._child = self.stack.start_supernode("site", self.key, 0, 1, door=self.door.address)
        wait_for(lambda: self.stack.status(self.node_id) == "online", 60)

    def stop(self) -> None:
        """Orderly: Flower knows at once that it is gone."""
        self._child.terminate()
        self._child.wait(20)

    def submit(self, **config: float) -> int:
        """A run of two rounds over this site; Flower's number."""
        wanted = {"num-server-rounds": 2, "min-nodes": 1, "evaluate": False, **config}
        file = self.folder / "run.toml"
        file.write_text(tomli_w.dumps(wanted))
        return self.stack.submit(APPS / "message_app", file)

    def has_taken(self, number: int) -> bool:
        """Whether it works on a message of that run."""
        return any(m.fetched for m in MessageBox(self.stack.database).of_run(number) or [])

    def public_key(self) -> bytes:
        """PEM."""
        public = load_ssh_private_key(self.key.read_bytes(), None).public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def received(self) -> int:
        """How many messages it has got whole; Flower has deleted them then."""
        return self.stack.log("site").count("Received successfully")

    def over(self, number: int) -> str:
        """The log of the run once it is completed and every fault was met."""
        ended = self.stack.wait_for_end(number, PATIENCE)
        assert ended.sub_status == "completed", ended
        assert self.before.left == self.behind.left == 0, "the fault was never met"
        return self.stack.run_log(number)

    def _gateway(self, address: str, handover: Handover | None = None) -> FleetGateway:
        ca = self.stack.credentials.ca_cert
        return FleetGateway(lambda: f"https://{address}", ca, handover=handover)

    def _hear(self, sentence: str, message: OpenMessage | None) -> None:
        assert message is not None, sentence
        self.said.append((sentence, message.run_id))


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("handover")
    with FlowerStack(folder) as stack, Site(stack, folder) as site:
        yield site


@pytest.fixture
def site(online: Site) -> Site:
    """The one site of all tests here, with nothing said and nothing broken."""
    online.said.clear()
    online.before.left = online.behind.left = 0
    return online


@pytest.mark.slow
@pytest.mark.parametrize(("piece", "how"), [("before", "half"), ("behind", "502")])
def test_work_whose_delivery_breaks_off_is_handed_out_again(site, piece, how):
    getattr(site, piece).lose(PULL_PATH, how)
    number = site.submit()
    assert TRAINED_TWICE in site.over(number)
    assert site.said == [(LOST, number)]


@pytest.mark.slow
def test_a_reply_that_cannot_be_sent_costs_the_round_and_not_the_run(site):
    site.before.lose(PUSH_PATH, "refused")
    number = site.submit()
    assert TRAINED_ONCE in site.over(number)
    assert site.said == [(LOST, number)]


@pytest.mark.slow
def test_a_site_that_was_away_unnoticed_while_it_had_work_is_not_awaited(site):
    """A ServerApp looks who is gone, but not while it fetches the answer of another site."""
    before = site.received()
    number = site.submit(**{"client-sleep": 5.0})
    wait_for(lambda: site.received() > before, 60)
    with held(servers_app(site.stack)):
        site.stop()
        site.start()
    assert TRAINED_ONCE in site.over(number)
    assert site.said == [(LOST, number)]


def servers_app(stack: FlowerStack) -> psutil.Process:
    """The one ServerApp that runs on this SuperLink."""
    (found,) = [
        process
        for process in psutil.process_iter(["cmdline"])
        if {"--runtime-api-address", stack.address} <= set(words := process.info["cmdline"] or [])
        and any("flwr-serverapp" in word for word in words)
    ]
    return found


@pytest.mark.slow
def test_an_answer_that_was_announced_and_never_sent_is_not_awaited(site):
    """The site announces it again, and Flower tells it that nothing is missing: so it thinks."""
    site.behind.lose(PUSH_PATH, "502", until=lambda: awaits_rest(site.stack))
    assert TRAINED_ONCE in site.over(site.submit())


@pytest.mark.slow
def test_the_answer_of_a_site_that_died_while_it_sent_is_not_awaited(site):
    site.before.lose(OBJECT_PATH, "held")
    number = site.submit()
    wait_for(lambda: awaits_rest(site.stack), 60)
    site.stop()
    site.start()
    site.before.left = 0
    assert TRAINED_ONCE in site.over(number)


def awaits_rest(stack: FlowerStack) -> bool:
    """Whether a ServerApp has taken an answer out that is not whole."""
    with closing(sqlite3.connect(stack.database)) as database:
        parts = database.execute("SELECT 1 FROM object_push_sessions WHERE pending_count > 0")
        return bool(list(parts)) and not list(database.execute("SELECT 1 FROM message_ins"))


@pytest.mark.slow
def test_work_that_a_site_can_never_take_in_is_withdrawn(site):
    site.before.lose(CONFIRM_PATH, "refused", times=MOST_TIMES + 1)
    number = site.submit()
    assert TRAINED_ONCE in site.over(number)
    *again, (last, _) = site.said
    assert again == [(LOST, number)] * MOST_TIMES
    assert "goes on without it" in last


@pytest.mark.slow
def test_a_stranger_with_the_key_of_a_site_cannot_have_its_work_handed_out_again(site):
    """Nor is it, of course, while all goes well, or when one looks late into what was before."""
    idle = datetime.now(UTC)
    number = site.submit(**{"client-sleep": 3.0})
    wait_for(lambda: site.has_taken(number), 60)
    box = MessageBox(site.stack.database)
    assert box.taken_by(site.public_key(), idle) == []
    assert [open.run_id for open in box.taken_by(site.public_key(), datetime.now(UTC))] == [number]
    for _ in range(5):
        assert unsigned(site) == 401
        assert site.has_taken(number)
    assert TRAINED_TWICE in site.over(number)
    assert site.said == []


def unsigned(site: Site) -> int:
    """Ask for the work of a site without signing; the status of the answer."""
    context = ssl.create_default_context(cafile=str(site.stack.credentials.ca_cert))
    connection = http.client.HTTPSConnection("127.0.0.1", site.door.port, context=context)
    headers = {
        "content-type": PROTOBUF_MEDIA_TYPE,
        KEY_HEADER: base64.b64encode(site.public_key()).decode(),
    }
    connection.request("POST", PULL_PATH, b"", headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_database_that_cannot_be_used_is_told_once_and_asked_again(tmp_path):
    said: list[str] = []
    handover = Handover(MessageBox(tmp_path / "none.db"), lambda sentence, _: said.append(sentence))
    path, key = PULL_PATH.encode(), base64.b64encode(b"a key")
    for _ in range(3):
        handover.begin(path, key)
        doubt = handover.end(path, key, 0)
        assert doubt is not None
        handover.look(doubt)
    assert len(said) == 1
    assert "database cannot be used" in said[0]
