"""Nobody but a trusted proxy can tell the page what its address, scheme or client is."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from blossomtune_gradio.web.forwarded import VIA_PROXY, Forwarded, Trusted
from tests.raw_http import ask, status

pytest_plugins = ["tests.page_fixtures"]
PROXY = "10.1.2.3"
TOLD = {
    "x-forwarded-host": "evil.test",
    "x-forwarded-server": "evil.test",
    "x-forwarded-port": "4444",
    "x-forwarded-prefix": "/evil",
    "x-forwarded-proto": "https",
    "x-forwarded-scheme": "https",
    "x-forwarded-for": "203.0.113.7",
    "x-real-ip": "203.0.113.7",
    "x-original-url": "/admin",
    "x-original-host": "evil.test",
    "x-rewrite-url": "/admin",
    "x-host": "evil.test",
    "x-http-method-override": "DELETE",
    "x-gradio-server": "http://evil.test",
    "x-direct-url": "http://evil.test",
    "forwarded": "for=203.0.113.7;host=evil.test;proto=https",
    "via": "1.1 evil.test",
    "client-ip": "203.0.113.7",
    "true-client-ip": "203.0.113.7",
    "cf-connecting-ip": "203.0.113.7",
}


def passed(client: str, headers: dict[str, str], trusted: tuple[str, ...] = (PROXY,)) -> Scope:
    """What gets inside of a request that arrives from `client`."""
    seen: list[Scope] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    named = [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
    scope: dict[str, Any] = {"type": "http", "client": (client, 1), "scheme": "http"}
    scope["headers"] = [(b"host", b"fl.example.org"), (b"cookie", b"a=b"), *named]
    asyncio.run(Forwarded(inside, Trusted(trusted))(scope, None, None))  # type: ignore[arg-type]
    return seen[0]


@pytest.mark.parametrize("name", TOLD)
def test_a_stranger_tells_nothing(name):
    scope = passed("192.0.2.1", {name: TOLD[name]})
    assert scope["headers"] == [(b"host", b"fl.example.org"), (b"cookie", b"a=b")]
    assert (scope["client"][0], scope["scheme"]) == ("192.0.2.1", "http")
    assert scope[VIA_PROXY] is (name != "x-gradio-server")


def test_all_of_it_at_once_from_a_trusted_proxy_is_put_in_its_place_and_gone():
    scope = passed(PROXY, TOLD)
    assert scope["headers"] == [(b"host", b"evil.test"), (b"cookie", b"a=b")]  # a door looks at it
    assert (scope["client"][0], scope["scheme"]) == ("203.0.113.7", "https")


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),  # the first one the client made up
        ("198.51.100.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("10.1.2.3", "10.1.2.3"),
        ("nonsense", PROXY),
        ("", PROXY),
        ("203.0.113.7, unknown", "203.0.113.7"),
        ("<script>, 203.0.113.7", "203.0.113.7"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy_of_ours(said, client):
    assert passed(PROXY, {"x-forwarded-for": said})["client"][0] == client


@pytest.mark.parametrize(
    ("name", "said", "host", "scheme"),
    [
        ("x-forwarded-proto", "https", b"fl.example.org", "https"),
        ("x-forwarded-proto", "HTTPS", b"fl.example.org", "https"),
        ("x-forwarded-proto", "https,http", b"fl.example.org", "https"),
        ("x-forwarded-proto", "javascript", b"fl.example.org", "http"),
        ("x-forwarded-proto", "", b"fl.example.org", "http"),
        ("x-forwarded-host", "fl.example.com:8443", b"fl.example.com:8443", "http"),
        ("x-forwarded-host", "a.test, b.test", b"a.test", "http"),
        ("x-forwarded-host", "evil@fl.example.org", b"fl.example.org", "http"),
        ("x-forwarded-host", "a.test/path", b"fl.example.org", "http"),
        ("x-forwarded-host", "", b"fl.example.org", "http"),
    ],
)
def test_what_a_trusted_proxy_says_must_make_sense(name, said, host, scheme):
    scope = passed(PROXY, {name: said})
    assert (scope["headers"][0], scope["scheme"]) == ((b"host", host), scheme)


@pytest.mark.parametrize(
    ("trusted", "address", "is_one"),
    [
        (("10.0.0.0/8",), "10.9.9.9", True),
        (("10.0.0.0/8",), "::ffff:10.9.9.9", True),
        (("10.0.0.0/8",), "11.0.0.1", False),
        (("2001:db8::/32",), "2001:db8::5", True),
        (("*",), "203.0.113.7", True),
        ((), "127.0.0.1", False),
        (("proxy.example.org",), "proxy.example.org", False),  # names are not looked up
        (("10.1.2.3",), "", False),
    ],
)
def test_who_is_trusted(trusted, address, is_one):
    assert (address in Trusted(trusted)) is is_one


# -- the same seen from outside, with Gradio behind it -------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", TOLD)
def test_gradio_s_root_is_where_the_page_was_asked_for(seeded_page, name):
    with httpx.Client(base_url=seeded_page.server.url, trust_env=False) as client:
        config = client.get("/config", headers={name: TOLD[name]}).json()
        assert config["root"] == seeded_page.server.url
        page = client.get("/", headers={name: TOLD[name]}).text
    assert "evil" not in page
    assert f'"root":"{seeded_page.server.url}"' in page.replace(" ", "")


@pytest.mark.slow
def test_a_request_through_a_proxy_was_not_made_on_this_machine(seeded_page):
    with httpx.Client(base_url=seeded_page.server.url, trust_env=False) as client:
        assert client.get("/me").json()["role"] == "admin"
        for name in ("x-forwarded-for", "x-forwarded-host", "forwarded", "via", "x-real-ip"):
            assert client.get("/me", headers={name: TOLD[name]}).json()["role"] == "anyone"


@pytest.mark.slow
@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.0",
        "GET / HTTP/1.1|host: evil.test",
        "GET / HTTP/1.1|host: evil@127.0.0.1",
        "GET / HTTP/1.1|host: 127.0.0.1|host: 127.0.0.1",
        "GET / HTTP/1.1|host: 127.0.0.1.",
        "GET / HTTP/1.1|host: 127.1",
        "GET / HTTP/1.1|host: 0x7f.0.0.1",
        "GET / HTTP/1.1|host: 2130706433",
        "GET / HTTP/1.1|host: localhost.evil.test",
        "GET / HTTP/1.1|host: localhost%00.evil.test",
        "GET http://127.0.0.1/ HTTP/1.1|host: evil.test",
    ],
)
def test_only_our_own_names_are_answered(seeded_page, head):
    sent = head.replace("|", "\r\n").encode() + b"\r\n\r\n"
    assert status(ask(seeded_page.server.port, sent)) == 400
