"""Work that gets lost between SuperLink and SuperNode: no run waits for it."""

from __future__ import annotations

import asyncio
import base64
import http.client
import sqlite3
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
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

from blossomtune_gradio.flower.facts import RunFact
from blossomtune_gradio.flower.messages import MessageBox, OpenMessage
from blossomtune_gradio.flower.replies import KEY_HEADER, PULL_PATH, PUSH_PATH
from blossomtune_gradio.services.sites.handover import MOST_TIMES, Handover
from blossomtune_gradio.web.fleet import FleetGateway, fleet_app
from tests.fleet_door import Desk, Server
from tests.flower_stack import APPS, FlowerStack, make_private_key
from tests.support import held, wait_for

CONFIRM_PATH = "/v1/fleet/confirm-message-received"  # once for each message
OBJECT_PATH = "/v1/fleet/push-object"
PATIENCE = 120  # seconds; Flower's own would be 180 or 3600
TRAINED_TWICE = "7.5000e-01"  # accuracy: each training takes half of what is missing
AGAIN, NEVER = "handed out again", "goes on without it"


class Breaks:
    """A piece of the way: the first `times` answers with a body, or requests, to `path` get lost.

    `how`: "" for never; "half" of the answer comes, then the line is cut; the answer is lost and
    whoever stands in between says "502", after `until` is true; the request is "refused" before
    anybody else sees it, or "held" for ever.
    """

    def __init__(
        self,
        app: ASGIApp,
        path: str,
        how: str,
        times: int = 1,
        until: Callable[[], bool] = lambda: True,
    ) -> None:
        self._app, self._path, self._how, self._until = app, path, how, until
        self.left = times if how else 0

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


@dataclass
class Site:
    """One SuperNode, the door it comes by, and what was said of its lost work."""

    stack: FlowerStack
    name: str
    key: Path
    node_id: int
    door: Server
    said: list[tuple[str, int]]
    """Sentences, and Flower's number of the run."""
    outer: Breaks

    def start(self) -> None:
        self._child = self.stack.start_supernode(self.name, self.key, 0, 1, door=self.door.address)
        wait_for(lambda: self.stack.status(self.node_id) == "online", 60)

    def stop(self) -> None:
        """Orderly: Flower knows at once that it is gone."""
        self._child.terminate()
        self._child.wait(20)


@dataclass
class Place:
    """A real SuperLink, and sites that come in by a gateway with faults on either side."""

    stack: FlowerStack
    folder: Path

    def run_over(
        self,
        *,
        path: str,
        before: str = "",
        behind: str = "",
        times: int = 1,
        until: Callable[[], bool] = lambda: True,
    ) -> tuple[RunFact, list[tuple[str, int]]]:
        """A run of two rounds over one site; how it ended, and what was said of lost work."""
        with self.site(path, before=before, behind=behind, times=times, until=until) as site:
            return self.stack.wait_for_end(self.submit(), PATIENCE), site.said

    @contextmanager
    def site(
        self,
        path: str,
        *,
        before: str = "",
        behind: str = "",
        times: int = 1,
        until: Callable[[], bool] = lambda: True,
    ) -> Iterator[Site]:
        """A site that is online."""
        stack, key = self.stack, self.folder / "site.key"
        node_id = stack.control.register(make_private_key(key).pem, "Charité")
        said: list[tuple[str, int]] = []

        def tell(sentence: str, message: OpenMessage | None) -> None:
            assert message is not None, sentence
            said.append((sentence, message.run_id))

        handover = Handover(MessageBox(stack.database), tell)
        inner = Breaks(fleet_app(self._gateway(stack.address), Desk()), path, behind, times, until)
        with Server(inner, stack.credentials) as back:
            gateway = self._gateway(back.address, handover)
            outer = Breaks(fleet_app(gateway, Desk()), path, before, times, until)
            with Server(outer, stack.credentials) as front:
                site = Site(stack, self.folder.name, key, node_id, front, said, outer)
                site.start()
                yield site
                site.stop()
        stack.control.unregister(node_id)
        assert inner.left == outer.left == 0, "the fault was never met"

    def submit(self, **config: float) -> int:
        wanted = {"num-server-rounds": 2, "min-nodes": 1, "evaluate": False, **config}
        file = self.folder / "run.toml"
        file.write_text(tomli_w.dumps(wanted))
        return self.stack.submit(APPS / "message_app", file)

    def _gateway(self, address: str, handover: Handover | None = None) -> FleetGateway:
        ca = self.stack.credentials.ca_cert
        return FleetGateway(lambda: f"https://{address}", ca, handover=handover)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowerStack]:
    with FlowerStack(tmp_path_factory.mktemp("flower")) as stack:
        yield stack


@pytest.fixture
def place(stack: FlowerStack, tmp_path: Path) -> Place:
    return Place(stack, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("where", [{"before": "half"}, {"behind": "502"}])
def test_work_whose_delivery_breaks_off_is_handed_out_again(place, where):
    run, said = place.run_over(path=PULL_PATH, **where)
    assert run.sub_status == "completed", run
    assert said == [(f"Charité lost work on the way; it is {AGAIN}.", run.run_id)]
    assert TRAINED_TWICE in place.stack.run_log(run.run_id)


@pytest.mark.slow
def test_a_reply_that_cannot_be_sent_costs_the_round_and_not_the_run(place):
    run, said = place.run_over(path=PUSH_PATH, before="refused")
    assert run.sub_status == "completed", run
    assert [AGAIN in sentence for sentence, _ in said] == [True], said
    log = place.stack.run_log(run.run_id)
    assert TRAINED_TWICE not in log
    assert "5.0000e-01" in log, log  # the second round trained


@pytest.mark.slow
def test_a_site_that_was_away_unnoticed_while_it_had_work_is_not_awaited(place):
    """A ServerApp looks who is gone, but not while it fetches the answer of another site."""
    with place.site("") as site:
        number = place.submit(**{"client-sleep": 3.0})
        box = MessageBox(place.stack.database)
        wait_for(lambda: any(message.fetched for message in box.of_run(number)), 60)
        with held(servers_app(place.stack)):
            site.stop()
            site.start()
        run = place.stack.wait_for_end(number, PATIENCE)
    assert run.sub_status == "completed", run
    assert site.said == [(f"Charité lost work on the way; it is {AGAIN}.", number)]
    assert "5.0000e-01" in place.stack.run_log(number)


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
def test_an_answer_that_was_announced_and_never_sent_is_not_awaited(place):
    """The site announces it again, and Flower tells it that nothing is missing: so it thinks."""
    run, _ = place.run_over(path=PUSH_PATH, behind="502", until=lambda: awaits_rest(place.stack))
    assert run.sub_status == "completed", run
    assert "5.0000e-01" in place.stack.run_log(run.run_id)


@pytest.mark.slow
def test_the_answer_of_a_site_that_died_while_it_sent_is_not_awaited(place):
    with place.site(OBJECT_PATH, before="held") as site:
        number = place.submit()
        wait_for(lambda: awaits_rest(place.stack), 60)
        site.stop()
        site.start()
        site.outer.left = 0
        run = place.stack.wait_for_end(number, PATIENCE)
    assert run.sub_status == "completed", run
    assert "5.0000e-01" in place.stack.run_log(number)


def awaits_rest(stack: FlowerStack) -> bool:
    """Whether a ServerApp has taken an answer out that is not whole."""
    with closing(sqlite3.connect(stack.database)) as database:
        parts = database.execute("SELECT 1 FROM object_push_sessions WHERE pending_count > 0")
        return bool(list(parts)) and not list(database.execute("SELECT 1 FROM message_ins"))


@pytest.mark.slow
def test_work_that_a_site_can_never_take_in_is_withdrawn(place):
    run, said = place.run_over(path=CONFIRM_PATH, before="refused", times=MOST_TIMES + 1)
    assert run.sub_status == "completed", run
    assert [AGAIN in sentence for sentence, _ in said] == [True] * MOST_TIMES + [False], said
    assert NEVER in said[-1][0]


@pytest.mark.slow
def test_a_stranger_with_the_key_of_a_site_cannot_have_its_work_handed_out_again(place):
    """Nor is it, of course, while all goes well."""
    stack = place.stack
    with place.site("") as site:
        number = place.submit(**{"client-sleep": 3.0})
        box = MessageBox(stack.database)
        wait_for(lambda: any(message.fetched for message in box.of_run(number)), 60)
        for _ in range(5):
            assert unsigned(site, stack.credentials.ca_cert) == 401
            assert all(message.fetched for message in box.of_run(number))
        run = stack.wait_for_end(number)
    assert run.sub_status == "completed"
    assert site.said == []
    assert TRAINED_TWICE in stack.run_log(number)


def unsigned(site: Site, ca: Path) -> int:
    """Ask for the work of a site without signing; the status of the answer."""
    public = load_ssh_private_key(site.key.read_bytes(), None).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    context = ssl.create_default_context(cafile=str(ca))
    connection = http.client.HTTPSConnection("127.0.0.1", site.door.port, context=context)
    headers = {"content-type": PROTOBUF_MEDIA_TYPE, KEY_HEADER: base64.b64encode(pem).decode()}
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
        assert handover.end(path, key, 0)
        handover.look(key)
    assert len(said) == 1
    assert "database cannot be used" in said[0]
