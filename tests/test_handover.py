"""Work that gets lost between SuperLink and SuperNode: no run waits for it."""

from __future__ import annotations

import base64
import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
from blossomtune_gradio.flower.messages import MessageBox
from blossomtune_gradio.flower.replies import KEY_HEADER, PULL_PATH, PUSH_PATH
from blossomtune_gradio.services.sites.handover import MOST_TIMES, Handover
from blossomtune_gradio.web.fleet import FleetGateway, fleet_app
from tests.fleet_door import Desk, Server
from tests.flower_stack import APPS, FlowerStack, make_private_key
from tests.support import wait_for

CONFIRM_PATH = "/v1/fleet/confirm-message-received"  # once for each message
TRAINED_TWICE = "7.5000e-01"  # accuracy: each training takes half of what is missing
AGAIN, NEVER = "handed out again", "goes on without it"


class Breaks:
    """A piece of the way: the first `times` answers with a body, or requests, to `path` get lost.

    `how`: "" for never; "half" of the answer comes, then the line is cut; the answer is lost and
    whoever stands in between says "502"; the request is "refused" before anybody else sees it.
    """

    def __init__(self, app: ASGIApp, path: str, how: str, times: int = 1) -> None:
        self._app, self._path, self._how = app, path, how
        self.left = times if how else 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") != self._path or not self.left:
            await self._app(scope, receive, send)
        elif self._how == "refused":
            self.left -= 1
            await _answer(send, 400)
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
class Place:
    """A real SuperLink, and sites that come in by a gateway with faults on either side."""

    stack: FlowerStack
    folder: Path

    def run_over(
        self, *, path: str, before: str = "", behind: str = "", times: int = 1
    ) -> tuple[RunFact, list[str]]:
        """A run of two rounds over one site; how it ended, and what was said of lost work."""
        with self.site(path, before=before, behind=behind, times=times) as (_, said):
            return self.stack.wait_for_end(self.submit()), said

    @contextmanager
    def site(
        self, path: str, *, before: str = "", behind: str = "", times: int = 1
    ) -> Iterator[tuple[Server, list[str]]]:
        """A site that is online; the door it comes by, and what is said of lost work."""
        said: list[str] = []
        stack, key = self.stack, self.folder / "site.key"
        node_id = stack.control.register(make_private_key(key).pem, "Charité")
        handover = Handover(MessageBox(stack.database), said.append)
        inner = Breaks(fleet_app(self._gateway(stack.address), Desk()), path, behind, times)
        with Server(inner, stack.credentials) as back:
            outer = Breaks(
                fleet_app(self._gateway(back.address, handover), Desk()), path, before, times
            )
            with Server(outer, stack.credentials) as front:
                child = stack.start_supernode(self.folder.name, key, 0, 1, door=front.address)
                wait_for(lambda: stack.status(node_id) == "online", 60)
                yield front, said
                child.terminate()
                child.wait(20)
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
@pytest.mark.parametrize("where", [{"before": "half"}, {"behind": "half"}, {"behind": "502"}])
def test_work_whose_delivery_breaks_off_is_handed_out_again(place, where):
    run, said = place.run_over(path=PULL_PATH, **where)
    assert run.sub_status == "completed", run
    assert [AGAIN in sentence for sentence in said] == [True], said
    assert "Charité asks for work" in said[0]
    assert f"run {run.run_id}" in said[0]
    assert TRAINED_TWICE in place.stack.run_log(run.run_id)


@pytest.mark.slow
def test_a_reply_that_cannot_be_sent_costs_the_round_and_not_the_run(place):
    run, said = place.run_over(path=PUSH_PATH, before="refused")
    assert run.sub_status == "completed", run
    assert [AGAIN in sentence for sentence in said] == [True], said
    log = place.stack.run_log(run.run_id)
    assert TRAINED_TWICE not in log
    assert "5.0000e-01" in log, log  # the second round trained


@pytest.mark.slow
def test_work_that_a_site_can_never_take_in_is_withdrawn(place):
    run, said = place.run_over(path=CONFIRM_PATH, before="refused", times=MOST_TIMES + 1)
    assert run.sub_status == "completed", run
    assert [AGAIN in sentence for sentence in said] == [True] * MOST_TIMES + [False], said
    assert NEVER in said[-1]


@pytest.mark.slow
def test_a_stranger_with_the_key_of_a_site_cannot_have_its_work_handed_out_again(place):
    """Nor is it, of course, while all goes well."""
    stack = place.stack
    with place.site("") as (front, said):
        number = place.submit(**{"client-sleep": 3.0})
        box = MessageBox(stack.database)
        wait_for(lambda: any(message.fetched for message in box.of_run(number)), 60)
        for _ in range(5):
            assert unsigned(front, place.folder / "site.key", stack.credentials.ca_cert) == 401
            assert all(message.fetched for message in box.of_run(number))
        run = stack.wait_for_end(number)
    assert run.sub_status == "completed"
    assert said == []
    assert TRAINED_TWICE in stack.run_log(number)


def unsigned(door: Server, key: Path, ca: Path) -> int:
    """Ask for the work of a site without signing; the status of the answer."""
    public = load_ssh_private_key(key.read_bytes(), None).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    context = ssl.create_default_context(cafile=str(ca))
    connection = http.client.HTTPSConnection("127.0.0.1", door.port, context=context)
    headers = {"content-type": PROTOBUF_MEDIA_TYPE, KEY_HEADER: base64.b64encode(pem).decode()}
    connection.request("POST", PULL_PATH, b"", headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_database_that_cannot_be_used_is_told_once_and_asked_again(tmp_path):
    said: list[str] = []
    handover = Handover(MessageBox(tmp_path / "none.db"), said.append)
    path, key = PULL_PATH.encode(), base64.b64encode(b"a key")
    for _ in range(3):
        handover.begin(path, key)
        assert handover.end(path, key, 0)
        handover.look(key)
    assert len(said) == 1
    assert "database cannot be used" in said[0]
