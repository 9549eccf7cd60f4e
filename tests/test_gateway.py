"""What reaches the SuperLink through the gateway, what does not, and in what shape."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE
from starlette.types import Receive, Scope, Send

from blossomtune_gradio.tls import ServerCredentials, ensure_server_credentials
from blossomtune_gradio.web.gateway import TAKING_WORK, FleetGateway, fleet_app
from blossomtune_gradio.web.limits import KEY, MIB, Door, Share
from blossomtune_gradio.web.pace import Pace, network
from tests.fleet_door import Desk, Server
from tests.flower_stack import APPS, FlowerStack, make_private_key
from tests.signing import Signer
from tests.support import free_port, wait_for

FLEET = "/v1/fleet/pull-messages"
BEHIND = Door(held_bytes=1024 * MIB)
"""Limits of what plays the SuperLink, which trusts the gateway."""


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> ServerCredentials:
    return ensure_server_credentials(tmp_path_factory.mktemp("certificates"), [])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowerStack]:
    with FlowerStack(tmp_path_factory.mktemp("flower")) as stack:
        yield stack


@pytest.fixture(scope="module")
def front(stack: FlowerStack) -> Iterator[Server]:
    """The listener for sites, with a real SuperLink behind it."""
    gateway = FleetGateway(lambda: f"https://{stack.address}", stack.credentials.ca_cert)
    with Server(fleet_app(gateway, Desk()), stack.credentials) as server:
        yield server


@dataclass
class Upstream:
    """Stands where the SuperLink stands, and shows what arrived. The last path word says how."""

    clients: set[object] = field(default_factory=set)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    received: int = 0
    gone: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.clients.add(scope["client"])
        self.headers = scope["headers"]
        self.received = 0
        how = scope["path"].rsplit("/")[-1]
        if how == "early":
            await self._send(send, b"no need for the rest", status=418)
            return
        body = await self._read(receive)
        if how == "two":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
            await asyncio.to_thread(self.go_on.wait, 10)
            await send({"type": "http.response.body", "body": b"second"})
        elif how == "break":
            headers = [(b"content-length", b"100")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            raise RuntimeError("this upstream breaks off, as the test wants it")
        elif how == "sleep":
            await asyncio.sleep(3)
        else:
            await self._send(send, body)

    async def _read(self, receive: Receive) -> bytes:
        pieces = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone.set()
                return b""
            pieces.append(message["body"])
            self.received += len(message["body"])
            if not message.get("more_body"):
                return b"".join(pieces)

    async def _send(self, send: Send, body: bytes, status: int = 200) -> None:
        headers = [(b"content-length", str(len(body)).encode()), (b"x-flower", b"yes")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@dataclass
class Way:
    """Gateway and upstream, and a client of the gateway."""

    upstream: Upstream
    server: Server
    ca: Path
    signer: Signer = field(default_factory=Signer)

    def connect(self) -> http.client.HTTPSConnection:
        return connect(self.server, self.ca)

    def post(self, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named = {**self.signer.headers(), **named}
        connection = self.connect()
        try:
            connection.request("POST", path, body, named)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def connect(server: Server, ca: Path) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(ca))
    return http.client.HTTPSConnection("127.0.0.1", server.port, timeout=20, context=context)


@pytest.fixture
def way(credentials: ServerCredentials) -> Iterator[Way]:
    with a_way(credentials) as made:
        yield made


class a_way:  # noqa: N801 - reads as a function in `with`
    """Gateway with an `Upstream` behind it."""

    def __init__(self, credentials: ServerCredentials, **options: object) -> None:
        self._upstream = Upstream()
        self._behind = Server(self._upstream, credentials, limits=BEHIND)
        origin = f"https://{self._behind.address}"
        gateway = FleetGateway(lambda: origin, credentials.ca_cert, **options)  # type: ignore[arg-type]
        self._front = Server(fleet_app(gateway, Desk()), credentials)
        self._ca = credentials.ca_cert

    def __enter__(self) -> Way:
        self._behind.__enter__()
        self._front.__enter__()
        return Way(self._upstream, self._front, self._ca)

    def __exit__(self, *_: object) -> None:
        self._upstream.go_on.set()
        self._front.__exit__(None, None, None)
        self._behind.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/control/list-nodes"),
        ("POST", "/v1/control/start-run"),
        ("POST", "/v1/runtime/acquire-task"),
        ("GET", "/health"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/"),
        ("GET", FLEET),
        ("PUT", FLEET),
        ("POST", "/v1/fleet"),
        ("POST", "/v1/fleet/"),
        ("POST", "//v1/fleet/pull-messages"),
        ("POST", "/v1//fleet/pull-messages"),
        ("POST", "/v1/fleet/../control/start-run"),
        ("POST", "/v1/fleet/..%2fcontrol/start-run"),
        ("POST", "/v1/fleet/%2e%2e/control/start-run"),
        ("POST", "/v1/fleet%2fpull-messages"),
        ("POST", "/v1/fleet/pull-messages?next=/v1/control/start-run"),
        ("POST", "/v1/fleet/pull-messages;x"),
        ("POST", "/v1/fleet/\\..\\control"),
        ("POST", "/V1/FLEET/pull-messages"),
        ("GET", "/api/v1/join"),
        ("POST", "/api/v1/join/"),
    ],
)
def test_everything_but_a_plain_fleet_request_is_an_empty_404(method, path, stack, front):
    connection = connect(front, stack.credentials.ca_cert)
    connection.request(method, path, b"")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (404, b"")
    connection.close()


def test_a_fleet_request_is_answered_by_the_superlink_itself(stack, front):
    answers = []
    for port in (stack.port, front.port):
        context = ssl.create_default_context(cafile=str(stack.credentials.ca_cert))
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)
        connection.request("POST", FLEET, b"", {"content-type": PROTOBUF_MEDIA_TYPE})
        answer = connection.getresponse()
        answers.append((answer.status, answer.read()))
        connection.close()
    assert answers[0] == answers[1]
    assert answers[1][0] == 401  # nobody signed it


def test_a_supernode_joins_through_the_gateway(tmp_path, stack, front):
    key = tmp_path / "known.key"
    node_id = stack.control.register(make_private_key(key).pem, "known")
    child = stack.start_supernode("known", key, 0, 1, door=front.address)
    wait_for(lambda: stack.status(node_id) == "online" or child.poll() is not None, 60)
    assert stack.status(node_id) == "online", stack.log("known")


def test_a_supernode_with_an_unregistered_key_is_refused(tmp_path, stack, front):
    key = tmp_path / "unknown.key"
    make_private_key(key)
    child = stack.start_supernode("unknown", key, 0, 1, door=front.address)
    assert child.wait(60) == 1
    assert "[code: 2004]" in stack.log("unknown")


@pytest.mark.slow
@pytest.mark.parametrize("path", [path.decode() for path in TAKING_WORK])
def test_a_run_that_is_stopped_while_a_site_gets_its_work_costs_the_next_run_nothing(
    tmp_path, stack, path
):
    door = StopsJustBefore(path, stack)
    with Server(door, stack.credentials) as front:
        key = tmp_path / f"{path.rsplit('/')[-1]}.key"
        node_id = stack.control.register(make_private_key(key).pem, key.stem)
        child = stack.start_supernode(key.stem, key, 0, 1, door=front.address)
        wait_for(lambda: stack.status(node_id) == "online", 60)
        config = tmp_path / "run.toml"
        config.write_text("num-server-rounds = 1\nmin-nodes = 1\nclient-sleep = 5.0\n")
        first = stack.submit(APPS / "message_app", config)
        assert stack.wait_for_end(first).sub_status == "stopped"
        config.write_text("num-server-rounds = 1\nmin-nodes = 1\n")
        second = stack.wait_for_end(stack.submit(APPS / "message_app", config), 60)
        assert second.sub_status == "completed", stack.log(key.stem)
        wait_for(lambda: client_apps(child) == [], 30)  # none waits for what never comes
        child.terminate()
        child.wait(20)
        stack.control.unregister(node_id)


def client_apps(supernode: subprocess.Popen[bytes]) -> list[str]:
    """Command lines of what trains below a SuperNode."""
    below = psutil.Process(supernode.pid).children(recursive=True)
    return [" ".join(line) for line in map(command_line, below) if "flwr-clientapp" in str(line)]


def command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has just ended
        return []


class StopsJustBefore:
    """The listener for sites; before the first request to a path, the run of the day is stopped."""

    def __init__(self, path: str, stack: FlowerStack) -> None:
        self._path, self._stack, self._stopped = path, stack, False
        gateway = FleetGateway(lambda: f"https://{stack.address}", stack.credentials.ca_cert)
        self._app = fleet_app(gateway, Desk())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == self._path and not self._stopped:
            self._stopped = True
            await asyncio.to_thread(self._stop)
        await self._app(scope, receive, send)

    def _stop(self) -> None:
        control = self._stack.control
        for fact in control.runs():
            if not fact.finished:
                control.stop(fact.run_id)


def test_seventeen_megabytes_pass_unchanged_both_ways(way):
    body = os.urandom(17 * MIB)
    status, back = way.post("/v1/fleet/echo", body)
    assert status == 200
    assert hashlib.sha256(back).digest() == hashlib.sha256(body).digest()


def test_flowers_headers_pass_and_forged_or_hop_by_hop_ones_do_not(way):
    signed = way.signer.headers()
    status, _ = way.post(
        "/v1/fleet/echo",
        b"x",
        **signed,
        content_type="application/x-protobuf",
        x_forwarded_for="10.0.0.1",
        forwarded="for=10.0.0.1",
        connection="keep-alive",
        te="trailers",
    )
    assert status == 200
    seen = dict(way.upstream.headers)
    assert seen[b"flwr-timestamp"].decode() == signed["flwr-timestamp"]
    assert seen[b"flwr-signature"].decode() == signed["flwr-signature"]
    assert seen[b"content-type"] == b"application/x-protobuf"
    assert not {b"x-forwarded-for", b"forwarded", b"connection", b"te"} & set(seen)


def test_an_answer_has_each_header_once(way):
    connection = way.connect()
    connection.request("POST", "/v1/fleet/echo", b"x")
    names = [name.lower() for name, _ in connection.getresponse().getheaders()]
    connection.close()
    assert len(names) == len(set(names))
    assert "x-flower" in names


def test_the_connection_to_the_superlink_is_used_again(way):
    for _ in range(5):
        assert way.post("/v1/fleet/echo", b"x")[0] == 200
    assert len(way.upstream.clients) == 1


def test_an_upload_reaches_the_superlink_while_it_is_under_way(way):
    connection = way.connect()
    connection.putrequest("POST", "/v1/fleet/echo")
    connection.putheader("content-length", "200000")
    for header in way.signer.headers().items():
        connection.putheader(*header)
    connection.endheaders(b"a" * 100_000)
    wait_for(lambda: way.upstream.received > 0)
    connection.send(b"b" * 100_000)
    assert len(connection.getresponse().read()) == 200_000
    connection.close()


def test_an_answer_reaches_the_site_while_it_is_under_way(way):
    connection = way.connect()
    connection.request("POST", "/v1/fleet/two", b"")
    answer = connection.getresponse()
    assert answer.read(5) == b"first"
    way.upstream.go_on.set()
    assert answer.read() == b"second"
    connection.close()


def test_a_chunked_body_passes(way):
    assert way.post("/v1/fleet/echo", iter([b"one", b"two"])) == (200, b"onetwo")  # type: ignore[arg-type]


def test_an_answer_before_the_end_of_the_upload_is_passed_on(way):
    status, text = way.post("/v1/fleet/early", b"x" * 30 * MIB)
    assert (status, text) == (418, b"no need for the rest")
    assert way.post("/v1/fleet/echo", b"next") == (200, b"next")


def test_a_site_that_hangs_up_leaves_nothing_open(way):
    connection = way.connect()
    connection.putrequest("POST", "/v1/fleet/echo")
    connection.putheader("content-length", "200000")
    for header in way.signer.headers().items():
        connection.putheader(*header)
    connection.endheaders(b"a" * 100_000)
    wait_for(lambda: way.upstream.received > 0)
    connection.close()
    assert way.upstream.gone.wait(10)
    assert way.post("/v1/fleet/echo", b"next") == (200, b"next")


def test_half_an_answer_never_looks_like_a_whole_one(way):
    with pytest.raises(http.client.IncompleteRead):
        way.post("/v1/fleet/break", b"")
    assert way.post("/v1/fleet/echo", b"next") == (200, b"next")


@pytest.mark.parametrize("pieces", [[b"x" * (MIB + 1)], [b"x" * MIB, b"x"]])
def test_a_body_over_the_limit_is_413(credentials, pieces):
    body = pieces[0] if len(pieces) == 1 else iter(pieces)  # announced, or chunked
    with a_way(credentials, max_body=MIB) as way:
        status, text = way.post("/v1/fleet/echo", body)
        assert (status, text) == (413, b"A request may have at most 1 MiB.")
        assert way.post("/v1/fleet/echo", b"next") == (200, b"next")


def test_a_silent_superlink_is_504(credentials):
    with a_way(credentials, timeout=0.3) as way:
        assert way.post("/v1/fleet/sleep")[0] == 504


def test_a_stopped_or_unreachable_superlink_is_503_until_it_is_back(credentials):
    origin: list[str | None] = [None]
    gateway = FleetGateway(lambda: origin[0], credentials.ca_cert)
    with Server(fleet_app(gateway, Desk()), credentials) as front:
        way = Way(Upstream(), front, credentials.ca_cert)
        connection = way.connect()
        connection.request("POST", FLEET, b"")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (503, b"The SuperLink is stopped.")
        assert int(answer.headers["retry-after"]) > 0
        connection.close()
        origin[0] = f"https://127.0.0.1:{free_port()}"
        assert way.post(FLEET)[0] == 503
        for _ in range(2):  # a restarted SuperLink may have another port
            with Server(way.upstream, credentials, limits=BEHIND) as behind:
                origin[0] = f"https://{behind.address}"
                assert way.post("/v1/fleet/echo", b"x") == (200, b"x")


def test_after_a_move_nothing_goes_to_the_old_superlink(credentials):
    old, new = Upstream(), Upstream()
    with (
        Server(old, credentials, limits=BEHIND) as first,
        Server(new, credentials, limits=BEHIND) as second,
    ):
        origin = [f"https://{first.address}"]
        gateway = FleetGateway(lambda: origin[0], credentials.ca_cert)
        with Server(fleet_app(gateway, Desk()), credentials) as front:
            way = Way(new, front, credentials.ca_cert)
            assert way.post("/v1/fleet/echo", b"to the old one")[0] == 200
            origin[0] = f"https://{second.address}"
            assert way.post("/v1/fleet/echo", b"new")[0] == 200
    assert (old.received, new.received) == (14, 3)


def test_a_superlink_with_a_strange_certificate_gets_nothing(tmp_path, credentials):
    stranger = ensure_server_credentials(tmp_path, [])
    upstream = Upstream()
    with Server(upstream, stranger, limits=BEHIND) as behind:
        gateway = FleetGateway(lambda: f"https://{behind.address}", credentials.ca_cert)
        with Server(fleet_app(gateway, Desk()), credentials) as front:
            assert Way(upstream, front, credentials.ca_cert).post("/v1/fleet/echo", b"x")[0] == 503
    assert upstream.clients == set()


def test_a_key_that_asks_too_often_is_told_to_wait(credentials):
    with a_way(credentials, key_share=Share(rate=0.01, burst=2, parallel=9)) as way:
        answers = [way.post("/v1/fleet/echo", b"x")[0] for _ in range(3)]
    assert answers == [200, 200, 503]  # not 429: on that a SuperNode would give up


def test_the_join_desk_is_reached_but_not_with_a_big_body(credentials):
    gateway = FleetGateway(lambda: None, credentials.ca_cert)
    with Server(fleet_app(gateway, Desk()), credentials) as front:
        way = Way(Upstream(), front, credentials.ca_cert)
        asked = b'{"token": "one-time-token", "public_key": "k"}'
        assert way.post("/api/v1/join", asked)[0] == 200
        assert way.post("/api/v1/join", b"x" * 70_000)[0] == 413


def test_the_pace_refills_with_time_and_ends_what_runs_at_once():
    now = [0.0]
    pace = Pace(Share(rate=2, burst=3, parallel=2), clock=lambda: now[0])
    assert [pace.enter("a"), pace.enter("a"), pace.enter("a")] == [True, True, False]
    pace.leave("a")
    assert [pace.enter("a"), pace.enter("b")] == [True, True]
    pace.leave("a")
    assert not pace.enter("a")  # three in no time
    now[0] = 0.5
    assert pace.enter("a")


def test_the_pace_remembers_a_bounded_number_of_addresses():
    pace = Pace(KEY, clients=100)
    for number in range(1000):
        client = f"10.0.{number // 250}.{number % 250}"
        pace.enter(client)
        pace.leave(client)
    assert len(pace) == 100


@pytest.mark.concurrent
def test_a_client_with_work_under_way_is_not_forgotten():
    pace = Pace(Share(rate=1, burst=5, parallel=1), clients=10)
    assert pace.enter("busy")
    for number in range(100):
        pace.enter(str(number))
        pace.leave(str(number))
    assert not pace.enter("busy")


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::2", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),  # all IPv4 in one /64, were it taken as IPv6
        ("no address", "no address"),
    ],
)
def test_one_ipv6_network_counts_as_one_client(address, client):
    assert network(address) == client
