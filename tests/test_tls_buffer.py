"""Who is known is read from in bigger pieces, and nobody else."""

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from blossomtune_gradio.web.limits import KIB, Door
from blossomtune_gradio.web.places import Places
from blossomtune_gradio.web.tls_buffer import read_more


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def tls(loop: asyncio.AbstractEventLoop) -> SSLProtocol:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    return SSLProtocol(loop, asyncio.Protocol(), context, None, server_side=True)


def test_the_buffer_of_one_connection_grows_with_its_next_read(loop):
    known, stranger = tls(loop), tls(loop)
    assert len(known.get_buffer(-1)) == len(stranger.get_buffer(-1)) == 16 * KIB
    read_more(SimpleNamespace(_ssl_protocol=known))
    read_more(SimpleNamespace())  # speaks no TLS
    assert len(known.get_buffer(-1)) == 128 * KIB
    assert len(stranger.get_buffer(-1)) == 16 * KIB


def test_a_place_tells_when_its_stranger_is_known_and_not_beyond_the_share_of_an_owner():
    places, told = Places(Door(per_owner=1)), []
    first, second = places.admit("127.0.0.1"), places.admit("127.0.0.1")
    first.known = second.known = lambda: told.append(1)
    first.prove("a key")
    assert told == [1]
    second.prove("a key")
    assert told == [1]
