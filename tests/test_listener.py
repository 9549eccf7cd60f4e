"""What a listener grants a connection: so long, so much, so many; and what may be a request.

Times are short here so that the tests are; each waits for what must happen, none measures.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.types import Receive, Scope, Send

from blossomtune_gradio.tls import ServerCredentials, ensure_server_credentials
from blossomtune_gradio.web.limits import FLEET, KIB, MIB, PAGE, Door
from blossomtune_gradio.web.listener import within_open_files
from blossomtune_gradio.web.places import Places, Stage
from tests.fleet_door import Server
from tests.raw_http import Listening, ask, connect, is_open, rest, status
from tests.support import wait_for

QUICK = Door(
    handshake_seconds=0.5,
    head_seconds=0.5,
    body_seconds=0.5,
    body_rate=1000 * KIB,
    drain_seconds=1.0,
    answer_seconds=1.0,
    idle_seconds=1,
)
ROOMY = Door()  # the times of the product
HOST = b"host: localhost\r\n"


class App:
    """Reads a body and tells how long it was; a path says otherwise."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.asked.append(scope["path"])
        size, more = 0, scope["path"] != "/refuses"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.asked.append("gone")
                return
            size += len(message["body"])
            more = message.get("more_body", False)
        body = str(size).encode()
        if scope["path"] == "/big":
            body = b"x" * 64 * MIB
        headers = [(b"content-length", str(len(body)).encode())]
        start = 413 if scope["path"] == "/refuses" else 200
        await send({"type": "http.response.start", "status": start, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def quick() -> Iterator[Listening]:
    with Listening(App(), QUICK) as server:
        yield server


@pytest.fixture(scope="module")
def roomy() -> Iterator[Listening]:
    with Listening(App(), ROOMY) as server:
        yield server


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> ServerCredentials:
    return ensure_server_credentials(tmp_path_factory.mktemp("certificates"), [])


# -- time ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", 0),
        (b"\r\n\r\n", 0),
        (b"G", 408),
        (b"GET / HTTP/1.1\r\n", 408),
        (b"GET / HTTP/1.1\r\nhost: local", 408),
        (b"GET / HTTP/1.1\r\n" + HOST, 408),
        (b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 10\r\n\r\n", 408),
        (b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 10\r\n\r\n123456789", 408),
        (b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n", 408),
        (b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n5\r\n123", 408),
        (
            b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 10\r\nexpect: 100-continue\r\n\r\n",
            408,
        ),
    ],
)
def test_a_request_that_does_not_come_is_not_waited_for(quick, sent, answered):
    with connect(quick.port) as sock:
        sock.sendall(sent)
        assert status(rest(sock)) in (answered, 100)
        wait_for(lambda: not is_open(sock))


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx-drip: ",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n",
    ],
)
def test_one_that_drips_is_not_waited_for_either(quick, begun):
    with connect(quick.port) as sock:
        sock.sendall(begun)

        def dripped() -> bool:
            try:
                sock.sendall(b"x")
            except OSError:
                return True
            return not is_open(sock)

        wait_for(dripped, every=0.05)


def test_an_app_that_waits_for_a_dripping_body_is_told_that_nobody_is_there():
    app = App()
    with Listening(app, QUICK) as server, connect(server.port) as sock:
        sock.sendall(b"POST /slow HTTP/1.1\r\n" + HOST + b"content-length: 10\r\n\r\n1")
        assert status(rest(sock)) == 408
        wait_for(lambda: app.asked == ["/slow", "gone"])


def test_a_slow_line_is_given_the_time_it_needs():
    slow = replace(QUICK, body_seconds=0.5, body_rate=100)  # 10 s more for each 1000 bytes
    with Listening(App(), slow) as server, connect(server.port) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 2000\r\n\r\n")
        sock.sendall(b"x" * 1000)
        with connect(server.port) as other:  # one that sends nothing is gone meanwhile
            wait_for(lambda: not is_open(other))
        sock.settimeout(20)
        sock.sendall(b"x" * 1000)
        assert rest(sock).endswith(b"2000")


def test_an_answer_that_nobody_takes_is_given_up(quick):
    with connect(quick.port) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(b"GET /big HTTP/1.1\r\n" + HOST + b"\r\n")
        wait_for(lambda: len(quick.listener.places) == 0, 20)


def test_an_idle_connection_is_closed_and_one_byte_does_not_keep_it(quick):
    with connect(quick.port) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert status(rest(sock)) == 200
        sock.sendall(b"G")
        sock.settimeout(20)
        assert status(rest(sock)) == 408


def test_the_rest_of_a_refused_body_is_dropped_so_that_the_answer_arrives(quick):
    head = b"POST /refuses HTTP/1.1\r\n" + HOST + b"content-length: 3000000\r\n\r\n"
    with connect(quick.port) as sock:
        sock.sendall(head + b"x" * 3_000_000)
        assert status(rest(sock)) == 413
        sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")  # and the connection is still good
        assert status(rest(sock)) == 200
    with connect(quick.port) as sock:
        sock.sendall(head + b"x")
        assert status(rest(sock)) == 413
        wait_for(lambda: not is_open(sock))  # but not for ever


def test_who_says_nothing_of_tls_is_closed(credentials):
    with Server(App(), credentials, limits=QUICK) as server:
        for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
            with connect(server.port) as sock:
                sock.sendall(said)
                wait_for(lambda sock=sock: not is_open(sock))
        assert len(server.listener.places) == 0
        trust = ssl.create_default_context(cafile=str(credentials.ca_cert))
        asked = ask(server.port, b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", tls=trust)
        assert status(asked) == 200


# -- size ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET /", b"x" * 40 * KIB],
        [b"GET / HTTP/1.1\r\nhost: localhost\r\ncookie: ", *[b"x" * KIB] * 40],
        [b"GET / HTTP/1.1\r\nhost: localhost\r\n", *[b"x-n: %d\r\n" % n for n in range(101)]],
        [b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"x" * 200 * KIB + b"\r\n\r\n"],
        [b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 500 + b"\r\n"],
        [b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x" * 40 * KIB],  # a name without an end
    ],
)
def test_a_head_beyond_the_limit_is_431(roomy, pieces):
    with connect(roomy.port) as sock:
        for piece in pieces:
            sock.sendall(piece)
        assert status(rest(sock)) == 431


def test_an_endless_head_is_not_kept(roomy):
    """Also behind a request that is still being answered, and behind a good one."""
    good = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
    for before in (b"", good, b"GET /big HTTP/1.1\r\n" + HOST + b"\r\n"):
        with connect(roomy.port) as sock:
            sock.sendall(before + b"GET / HTTP/1.1\r\nx: ")

            def refused(sock: socket.socket = sock) -> bool:
                try:
                    sock.sendall(b"x" * 256 * KIB)
                except OSError:
                    return True
                return not is_open(sock)

            wait_for(refused, every=0.001)


def test_a_head_within_the_limit_passes_in_any_number_of_pieces(roomy):
    head = b"GET / HTTP/1.1\r\n" + HOST + b"cookie: " + b"x" * 30 * KIB + b"\r\n\r\n"
    for size in (len(head), 1000, 7919):
        with connect(roomy.port) as sock:
            for start in range(0, len(head), size):
                sock.sendall(head[start : start + size])
            assert status(rest(sock)) == 200
            sock.sendall(head)  # the count begins anew
            assert status(rest(sock)) == 200


def test_requests_are_not_piled_up_ahead_of_their_answers(roomy):
    one = b"GET /big HTTP/1.1\r\n" + HOST + b"\r\n"
    with connect(roomy.port) as sock:
        sock.sendall(one * 3000)
        wait_for(lambda: not is_open(sock))
    few = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
    with connect(roomy.port) as sock:
        sock.sendall(few * 3)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 3:
            answers += sock.recv(65536)


def test_bodies_of_strangers_are_not_held_without_end():
    most = Door(held_bytes=MIB)
    with Listening(App(), most) as server:
        head = b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 300000\r\n\r\n"
        socks = [connect(server.port, source="127.0.0.2") for _ in range(8)]
        with connect(server.port) as honest:
            honest.sendall(head + b"x" * 100_000)
            for sock in socks:
                sock.sendall(head + b"x" * 200_000)
            wait_for(lambda: not all(is_open(sock) for sock in socks))
            honest.sendall(b"x" * 200_000)  # whose network holds least
            assert rest(honest).endswith(b"300000")
        for sock in socks:
            sock.close()


# -- number --------------------------------------------------------------------------------


def test_the_oldest_half_open_one_makes_room_and_the_honest_are_served():
    few = Door(connections=40, half_open=20)
    good = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
    with Listening(App(), few) as server:
        kept = connect(server.port, source="127.0.0.3")  # of another network, and as half-open
        kept.sendall(good[:10])
        socks = []
        for _ in range(100):
            socks.append(connect(server.port, source="127.0.0.2"))
            socks[-1].sendall(b"GET / HTTP/1.1\r\n")
        assert status(ask(server.port, good, source="127.0.0.2")) == 200  # same address
        assert status(ask(server.port, good, source="127.0.0.4")) == 200
        wait_for(lambda: sum(is_open(sock) for sock in socks) <= 20)
        kept.sendall(good[10:])
        assert status(rest(kept)) == 200
        for sock in (*socks, kept):
            sock.close()


def test_who_has_shown_a_key_is_not_asked_to_leave():
    places = Places(Door(connections=4, half_open=4, per_owner=2))
    gone: list[str] = []
    mine = places.admit("192.0.2.1")
    mine.evict = lambda: gone.append("mine")
    mine.prove("key")
    mine.enter(Stage.IDLE)
    for number in range(10):
        place = places.admit("192.0.2.1")
        place.evict = lambda number=number: gone.append(str(number))
    assert gone == [str(number) for number in range(7)]
    assert len(places) == 4
    busy = [places.admit("192.0.2.1") for _ in range(3)]
    for place in busy:
        place.enter(Stage.ANSWER)
    assert places.half_open == 0
    assert places.admit("192.0.2.9") is not None  # the oldest of those who have most
    for place in [*busy]:
        place.prove("key")
    assert places.admit("192.0.2.9") is not None


def test_one_key_does_not_fill_the_house():
    places = Places(Door(connections=4, half_open=4, per_owner=2))
    for _ in range(4):
        place = places.admit("192.0.2.1")
        place.prove("key")
        place.enter(Stage.ANSWER)
    other = places.admit("192.0.2.2")
    assert other is not None
    assert len(places) == 4


def test_places_that_are_given_back_are_free_and_nothing_is_left_of_them():
    places = Places(Door(connections=3, half_open=3))
    for number in range(50):
        place = places.admit(f"192.0.2.{number}")
        place.hold(10)
        place.enter(Stage.BODY, 1)
        if number % 2:
            place.prove(f"key {number}")
        places.leave(place)
        places.leave(place)
        place.enter(Stage.IDLE)  # too late to matter
        place.hold(10)
    assert (len(places), places.half_open) == (0, 0)
    assert places._held == 0
    assert not places._half
    assert not places._owners


def test_connections_follow_the_files_the_system_lets_us_open():
    assert within_open_files(PAGE).connections <= PAGE.connections
    assert within_open_files(FLEET).half_open <= FLEET.half_open


# -- meaning -------------------------------------------------------------------------------

HEADS = {  # request line and headers, by lines
    "two hosts": "GET / HTTP/1.1|host: localhost|host: evil.test",
    "the same host twice": "GET / HTTP/1.1|host: localhost|Host: localhost",
    "no host": "GET / HTTP/1.1",
    "a user in the host": "GET / HTTP/1.1|host: evil@127.0.0.1",
    "a port that is none": "GET / HTTP/1.1|host: localhost:80x",
    "an empty port": "GET / HTTP/1.1|host: localhost:",
    "a big port": "GET / HTTP/1.1|host: localhost:65536",
    "port 0": "GET / HTTP/1.1|host: localhost:0",
    "two ports": "GET / HTTP/1.1|host: localhost:1:2",
    "an empty host": "GET / HTTP/1.1|host: ",
    "a path in the host": "GET / HTTP/1.1|host: localhost/x",
    "a blank in the host": "GET / HTTP/1.1|host: local host",
    "a list in the host": "GET / HTTP/1.1|host: localhost,evil.test",
    "a query in the host": "GET / HTTP/1.1|host: localhost?x",
    "letters beyond ASCII in the host": "GET / HTTP/1.1|host: löcalhost",
    "open brackets": "GET / HTTP/1.1|host: [::1",
    "a percent in the host": "GET / HTTP/1.1|host: local%68ost",
    "another host in the target": "GET http://evil.test/ HTTP/1.1|host: localhost",
    "our host in the target": "GET http://localhost/ HTTP/1.1|host: localhost",
    "a tunnel": "CONNECT evil.test:443 HTTP/1.1|host: localhost",
    "the whole server": "OPTIONS * HTTP/1.1|host: localhost",
    "a fragment": "GET /#x HTTP/1.1|host: localhost",
    "letters beyond ASCII in the target": "GET /ö HTTP/1.1|host: localhost",
    "two lengths": "POST / HTTP/1.1|host: a|content-length: 1|content-length: 2||ab",
    "one length twice": "POST / HTTP/1.1|host: a|Content-Length: 1|content-length: 1||a",
    "a list of lengths": "POST / HTTP/1.1|host: a|content-length: 1, 1||a",
    "a signed length": "POST / HTTP/1.1|host: a|content-length: +1||a",
    "a negative length": "POST / HTTP/1.1|host: a|content-length: -1||a",
    "a hexadecimal length": "POST / HTTP/1.1|host: a|content-length: 0x1||a",
    "a huge length": f"POST / HTTP/1.1|host: a|content-length: {10**30}||a",
    "length and chunks": "POST / HTTP/1.1|host: a|content-length: 3|transfer-encoding: chunked||0|",
    "chunks and length": "POST / HTTP/1.1|host: a|transfer-encoding: chunked|content-length: 3||0|",
    "chunked twice": f"POST / HTTP/1.1|host: a|{'transfer-encoding: chunked|' * 2}|0|",
    "chunked, then something": "POST / HTTP/1.1|host: a|transfer-encoding: chunked, x||0|",
    "another coding": "POST / HTTP/1.1|host: a|transfer-encoding: xchunked||0|",
    "two origins": "POST / HTTP/1.1|host: a|origin: http://a|origin: http://evil.test",
    "two fetch sites": "GET / HTTP/1.1|host: a|sec-fetch-site: none|sec-fetch-site: cross-site",
    "two authorizations": "GET / HTTP/1.1|host: a|authorization: a|authorization: b",
    "two types": "POST / HTTP/1.1|host: a|content-type: a|content-type: b",
    "two keys": "POST / HTTP/1.1|host: a|flwr-public-key: a|flwr-public-key: b",
    "a folded header": "GET / HTTP/1.1|host: a|x-a: b| c",
    "a folded host": "GET / HTTP/1.1|host: localhost| evil.test",
    "a blank before the colon": "GET / HTTP/1.1|host : localhost",
    "a blank before a name": "GET / HTTP/1.1| host: localhost",
    "a NUL in a value": "GET / HTTP/1.1|host: a|x-a: b\0c",
    "a bare CR": "GET / HTTP/1.1|host: a|x-a: b\rhost: evil.test",
    "a line without a colon": "GET / HTTP/1.1|host: a|nonsense",
    "no version": "GET /",
    "HTTP/2": "PRI * HTTP/2.0||SM||",
    "no HTTP": "\x16\x03\x01\x02",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_request_that_can_be_read_in_two_ways_is_refused(head):
    app = App()
    sent = head.replace("|", "\r\n").encode()
    with Listening(app, QUICK) as server:
        assert status(ask(server.port, sent if "||" in head else sent + b"\r\n\r\n")) == 400
    assert app.asked == []


def test_a_body_that_is_none_is_refused_too():
    app = App()
    head = b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n"
    with Listening(app, QUICK) as server:
        for size in (b"0x1", b"-1", b"g", b"fffffffffffffffff", b"1 1"):
            app.asked.clear()
            assert status(ask(server.port, head + size + b"\r\na\r\n0\r\n\r\n")) == 400
            wait_for(lambda: app.asked == ["/", "gone"])


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: LOCALHOST:7860\r\n\r\n",
        b"GET /a?b=c&d=%C3%B6 HTTP/1.1\r\nhost: [::1]:7860\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: my-site.example.org\r\ncookie: a=b\r\ncookie: c=d\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",  # the doors miss the host, not the listener
        b"GET / HTTP/1.0\r\nhost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\n%scontent-length: 0\r\n\r\n" % HOST,
        b"POST / HTTP/1.1\r\n%stransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n" % HOST,
        b"GET / HTTP/1.1\r\n%sconnection: upgrade\r\nupgrade: h2c\r\n\r\n" % HOST,
        b"GET / HTTP/1.1\r\n%sconnection: upgrade\r\nupgrade: websocket\r\n\r\n" % HOST,
    ],
)
def test_a_plain_request_is_answered(quick, request_):
    assert status(ask(quick.port, request_)) == 200
