"""Receivers of webhooks that do harm: each costs its own messages and nobody else's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from blossomtune_gradio.errors import InvalidInput, NotPossible
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.notices.webhook_address import AddressGuard
from blossomtune_gradio.services.notices.webhooks import WebhookService
from tests.support import wait_for

ADA = User(provider="hf", sub="1", name="Ada", role=Role.RESEARCHER)
BEN = User(provider="hf", sub="2", name="Ben", role=Role.RESEARCHER)
OK = b"HTTP/1.1 204 No Content\r\n\r\n"
BAD: dict[str, tuple[str, bytes, bytes]] = {
    # scheme; what is sent at first; what is sent again and again
    "says nothing": ("http", b"", b""),
    "says nothing to TLS": ("https", b"", b""),
    "drips its status": ("http", b"HTTP/1.", b"1"),
    "drips its head": ("http", b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "asks to go on for ever": ("http", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "drips a TLS record": ("https", b"\x16\x03\x03\x40\x00", b"\x00"),
}


class Receiver:
    """Listens on loopback, sends what it was told to, and counts who came."""

    def __init__(self, first: bytes, again: bytes, scheme: str = "http") -> None:
        self.came = 0
        self._first, self._again = first, again
        self._ending = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}/hook"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._ending.set()
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                line, _ = self._socket.accept()
                self.came += 1
                threading.Thread(target=self._talk, args=(line,), daemon=True).start()

    def _talk(self, line: socket.socket) -> None:
        with line, suppress(OSError):  # the other side has gone
            if self._first == OK:
                line.recv(65536)
            line.sendall(self._first)
            while self._again and not self._ending.wait(0.05):
                line.sendall(self._again)
            if not self._again and self._first != OK:
                self._ending.wait()


@pytest.fixture
def receivers() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def make(first: bytes = OK, again: bytes = b"", scheme: str = "http") -> Receiver:
        made.append(Receiver(first, again, scheme))
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


@pytest.fixture
def service(database, tmp_path) -> Iterator[Callable[..., WebhookService]]:
    made: list[WebhookService] = []

    def make(seconds: float, guard: AddressGuard | None = None) -> WebhookService:
        logs = LogStore(tmp_path / "logs")
        guard = guard or AddressGuard("127.0.0.1")
        made.append(WebhookService(database, logs, guard, pauses=(600.0,), seconds=seconds))
        return made[-1]

    yield make
    for one in made:
        one.close()


def asked(service: WebhookService, url: str, by: User = ADA) -> int:
    """A webhook with a message on its way."""
    hook, _ = service.add(url, ["run_failed"], by)
    service.test(hook.id, by)
    return hook.id


def newest(service: WebhookService, hook_id: int, by: User = ADA):
    return next(delivery for hook, delivery in service.list(by) if hook.id == hook_id)


@pytest.mark.parametrize("name", BAD)
def test_a_call_has_one_deadline_for_everything(receivers, service, name):
    scheme, first, again = BAD[name]
    webhooks = service(seconds=1.0)
    hook = asked(webhooks, receivers(first, again, scheme).url)
    assert webhooks.deliver_due() == 1
    said = newest(webhooks, hook)
    assert (said.status_word, said.tries) == ("queued", 1)
    assert "no answer within 1 seconds" in said.last_error


def test_a_head_without_end_and_a_body_without_end_are_not_read(receivers, service):
    webhooks = service(seconds=60.0)
    head = asked(
        webhooks, receivers(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 50_000, b"X: a\r\n").url
    )
    body = asked(webhooks, receivers(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 10_000).url)
    assert webhooks.deliver_due() == 2
    assert "could not be reached" in newest(webhooks, head).last_error
    assert newest(webhooks, body).status_word == "sent"


class SlowNames(AddressGuard):
    """A name server that does not answer."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1")
        self.answers = threading.Event()

    def target(self, url):
        self.answers.wait(600)
        return super().target(url)


def test_a_name_that_is_not_found_in_time_is_given_up(receivers, service):
    names = SlowNames()
    webhooks = service(seconds=0.5, guard=names)
    receiver = receivers()
    hook = asked(webhooks, receiver.url)
    webhooks.deliver_due()
    assert "no answer within 0.5 seconds" in newest(webhooks, hook).last_error
    assert receiver.came == 0
    names.answers.set()


@pytest.mark.concurrent
def test_who_drips_blocks_neither_others_nor_the_end(receivers, service):
    """No deadline ends these calls, so only queues of their own let the good one through."""
    webhooks = service(seconds=600.0)
    drips = [receivers(*BAD["drips its head"][1:]) for _ in range(10)]
    bad = [asked(webhooks, receiver.url) for receiver in drips[:2]]
    for hook in bad:
        webhooks.test(hook, ADA)  # a second message for each
    webhooks.open()
    wait_for(lambda: sum(receiver.came for receiver in drips) == 2, 30)
    bad += [asked(webhooks, receiver.url) for receiver in drips[2:]]
    wait_for(lambda: sum(receiver.came for receiver in drips) == 4, 30)  # nobody has more
    good = receivers()
    hook = asked(webhooks, good.url, BEN)
    wait_for(lambda: newest(webhooks, hook, BEN).status_word == "sent", 30)
    assert sum(receiver.came for receiver in drips) == 4
    assert max(receiver.came for receiver in drips) == 1  # one message at a time
    webhooks.close()
    names = [thread.name for thread in threading.enumerate()]
    assert "webhooks" not in names
    assert {newest(webhooks, one).tries for one in bad} == {0}  # sent after the next start


@pytest.mark.concurrent
def test_tests_of_a_receiver_that_never_answers_do_not_pile_up(receivers, service):
    webhooks = service(seconds=1.0)
    hook = asked(webhooks, receivers(b"", b"").url)
    for _ in range(19):
        webhooks.test(hook, ADA)
    with pytest.raises(NotPossible, match="20 messages wait"):
        webhooks.test(hook, ADA)


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1 …
        "64:ff9b::a9fe:a9fe",  # … and of 169.254.169.254
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",  # 6to4
        "2001:0:a00:1::",  # Teredo
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "fe80::5efe:7f00:1",
        "2001:db8::5efe:a00:1",
        "2a00:1450::200:5efe:a00:1",
        "fec0::1",
        "100::1",
        "::",
        "ff02::1",
        "fd00::1",
    ],
)
def test_an_ipv6_address_that_leads_to_a_private_one_is_refused(address):
    with pytest.raises(InvalidInput):
        AddressGuard().check(f"http://[{address}]/")


@pytest.mark.parametrize("address", ["64:ff9b::808:808", "2a00:1450:4001::1"])
def test_public_addresses_are_called_also_behind_a_translator(address):
    AddressGuard().check(f"http://[{address}]/")
