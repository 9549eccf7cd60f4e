"""Who gets a place in the gateway: a key that has signed its own, all others a small share.

The attack it is about: half requests without a key, dripping, from the address an honest site has.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flwr.common.constant import TIMESTAMP_HEADER
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER

from blossomtune_gradio.flower.link.signatures import Signatures
from blossomtune_gradio.tls import ServerCredentials, ensure_server_credentials
from blossomtune_gradio.web.gateway import FleetGateway, fleet_app
from blossomtune_gradio.web.limits import MIB, STRANGER_BODY, STRANGERS, Share
from tests.fleet_door import Desk, Server
from tests.flower_stack import FlowerStack, make_private_key
from tests.raw_http import ask, connect, is_open, status
from tests.signing import Signer
from tests.support import wait_for
from tests.test_gateway import Way, a_way

ECHO = "/v1/fleet/echo"


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> ServerCredentials:
    return ensure_server_credentials(tmp_path_factory.mktemp("certificates"), [])


@pytest.fixture
def site() -> Signer:
    return Signer()


@pytest.fixture
def way(credentials, site) -> Iterator[Way]:
    """One key is registered, that of `site`; anybody else's is not."""
    with a_way(credentials, registered=lambda key: key == site.key) as made:
        made.signer = site
        yield made


@pytest.fixture
def trust(credentials) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(credentials.ca_cert))


def half(path: str = ECHO, length: int = 1000, **headers: str) -> bytes:
    """A request of which the body never comes."""
    lines = [f"POST {path} HTTP/1.1", "host: localhost", f"content-length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\nx"


# -- the attack ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how", ["no head", "no key", "a key nobody knows", "a key that is not his", "join"]
)
def test_dripping_half_requests_take_no_place_from_a_site_behind_the_same_address(
    way, trust, site, how
):
    said = {
        "no head": b"POST /v1/fleet/echo HTTP/1.1\r\n",
        "no key": half(),
        "a key nobody knows": half(**Signer().headers()),
        "a key that is not his": half(
            **{**Signer().headers(), FLEET_HTTP_PUBLIC_KEY_HEADER: site.key.decode()}
        ),
        "join": half("/api/v1/join"),
    }[how]
    with ExitStack() as open_ones:
        attackers = [
            open_ones.enter_context(connect(way.server.port, tls=trust)) for _ in range(150)
        ]
        for sock in attackers:
            sock.sendall(said)
        assert way.post(ECHO, b"x") == (200, b"x")
        for sock in attackers[::10]:
            sock.sendall(b"x")
        for _ in range(20):
            assert way.post(ECHO, b"y" * 100_000) == (200, b"y" * 100_000)
        assert all(is_open(sock) for sock in attackers[:3])  # it was an attack to the end


def test_half_requests_of_one_key_cost_another_nothing(way, trust, credentials):
    """With what a key may hold at most taken by it, and its own requests told to wait."""
    one, other = Signer(), Signer()
    with a_way(credentials, key_share=Share(rate=100, burst=100, parallel=4)) as both:
        with ExitStack() as open_ones:
            for _ in range(20):
                sock = open_ones.enter_context(connect(both.server.port, tls=trust))
                sock.sendall(half(**one.headers()))
            both.signer = one
            wait_for(lambda: both.post(ECHO, b"x")[0] == 503)
            both.signer = other
            for _ in range(5):
                assert both.post(ECHO, b"x") == (200, b"x")
        both.signer = one  # its half requests are gone: its places are free again
        wait_for(lambda: both.post(ECHO, b"x") == (200, b"x"))


def test_big_bodies_take_more_of_the_places_of_their_key(credentials, trust, site):
    with a_way(credentials) as way, ExitStack() as open_ones:
        for _ in range(2):
            sock = open_ones.enter_context(connect(way.server.port, tls=trust))
            sock.sendall(half(length=60 * MIB, **site.headers()))
        way.signer = site
        wait_for(lambda: way.post(ECHO, b"x" * 40 * MIB)[0] == 503)
        assert way.post(ECHO, b"x") == (200, b"x")  # a heartbeat still passes


@pytest.mark.slow
def test_a_real_supernode_stays_online_while_half_requests_drip(tmp_path):
    with FlowerStack(tmp_path) as stack:
        key = tmp_path / "known.key"
        pem = make_private_key(key).pem
        node_id = stack.control.register(pem, "known")
        registered = base64.b64encode(pem)
        gateway = FleetGateway(
            lambda: f"https://{stack.address}",
            stack.credentials.ca_cert,
            registered=lambda given: given == registered,
        )
        trust = ssl.create_default_context(cafile=str(stack.credentials.ca_cert))
        with Server(fleet_app(gateway, Desk()), stack.credentials) as front, ExitStack() as them:
            for number in range(200):
                sock = them.enter_context(connect(front.port, tls=trust))
                sock.sendall(half(**(Signer().headers() if number % 2 else {})))
            child = stack.start_supernode("known", key, 0, 1, door=front.address)
            wait_for(lambda: stack.status(node_id) == "online" or child.poll() is not None, 60)
            assert stack.status(node_id) == "online", stack.log("known")


# -- the share of strangers ----------------------------------------------------------------


def test_a_stranger_gets_the_answer_of_the_superlink_to_a_small_request(way):
    way.signer = Signer()
    assert way.post(ECHO, b"x" * 1000) == (200, b"x" * 1000)  # which would be a 401
    assert way.post(ECHO, iter([b"one", b"two"])) == (200, b"onetwo")  # type: ignore[arg-type]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_big_request_of_a_stranger_reaches_nobody(way, chunked):
    way.signer = Signer()
    body = b"x" * (STRANGER_BODY + 1)
    before = way.upstream.received
    answer, text = way.post(ECHO, iter([body]) if chunked else body)  # type: ignore[arg-type]
    assert (answer, way.upstream.received) == (413, before)
    assert b"64 KiB" in text


def test_strangers_share_a_few_places_and_leave_those_of_the_sites_alone(way, trust):
    """Whole requests this time, to a SuperLink that is slow to answer them."""
    whole = half("/v1/fleet/sleep", length=1)
    with ExitStack() as open_ones:
        for number in range(STRANGERS + 40):
            source = f"127.0.1.{number % 12 + 1}"
            sock = open_ones.enter_context(connect(way.server.port, tls=trust, source=source))
            sock.sendall(whole)
        told = ask(way.server.port, whole, tls=trust, source="127.0.0.9")
        assert status(told) == 503
        assert way.post(ECHO, b"x") == (200, b"x")


def test_a_flood_of_one_address_is_told_to_wait_and_another_address_is_not(credentials, trust):
    share = Share(rate=0.01, burst=3, parallel=8)
    with a_way(credentials, registered=lambda _: False, stranger_share=share) as way:
        answers = [status(ask(way.server.port, half(length=1), tls=trust)) for _ in range(5)]
        assert answers == [200, 200, 200, 503, 503]  # not 429: on that a SuperNode would give up
        other = ask(way.server.port, half(length=1), tls=trust, source="127.0.0.9")
        assert status(other) == 200


# -- whose signature it is -----------------------------------------------------------------


def test_a_signature_is_good_for_its_key_and_its_time_only():
    check, one, other = Signatures(), Signer(), Signer()

    def signer(**headers: str) -> bytes:
        given = {**one.headers(), **headers}
        return check.signer([(k.encode(), v.encode("latin-1")) for k, v in given.items()])

    assert signer() == one.key
    assert signer() == one.key  # the key is remembered now
    key, time, signed = FLEET_HTTP_PUBLIC_KEY_HEADER, TIMESTAMP_HEADER, FLEET_HTTP_SIGNATURE_HEADER
    for wrong in (
        {key: other.key.decode()},
        {signed: other.headers()[signed]},
        {time: "2026-11-22T00:00:00+00:00"},
        {time: "2026-11-22T00:00:00"},
        {time: "yesterday"},
        {time: "\xff"},
        {time: ""},
        {signed: "not base64"},
        {signed: ""},
        {signed: "AAAA"},
        {key: "not base64"},
        {key: ""},
        {key: base64.b64encode(b"no key").decode()},
        {key: base64.b64encode(b"-----BEGIN PUBLIC KEY-----\nAAAA\n").decode()},
        {key: _pem(rsa.generate_private_key(65537, 2048).public_key())},
        one.headers(ago=3600),
        one.headers(ago=-3600),
    ):
        assert signer(**wrong) == b"", wrong
    assert check.signer([]) == b""


@pytest.mark.parametrize("curve", [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1])
def test_each_curve_that_flower_takes_is_known(curve):
    one = Signer(ec.generate_private_key(curve()))
    headers = [(k.encode(), v.encode()) for k, v in one.headers().items()]
    assert Signatures().signer(headers) == one.key


def test_a_connection_is_its_key_s_only_as_long_as_that_key_speaks(way, site):
    """One good signature is enough for a connection, but not for another key on it."""
    connection = way.connect()
    connection.request("POST", ECHO, b"x", site.headers())
    assert connection.getresponse().read() == b"x"
    body = b"x" * (STRANGER_BODY + 1)
    again = {**site.headers(), FLEET_HTTP_SIGNATURE_HEADER: "c2ln"}
    connection.request("POST", ECHO, body, again)  # the SuperLink refuses that, not we
    assert connection.getresponse().read() == body
    connection.request("POST", ECHO, body, Signer().headers())
    assert connection.getresponse().status == 413
    connection.close()


def _pem(key: rsa.RSAPublicKey) -> str:
    kind, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(key.public_bytes(kind, form)).decode()
