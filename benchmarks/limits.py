"""An honest visitor of the page while somebody attacks it: how long he waits, what it costs.

Four attacks, one after the other, each by a process of its own: half-open connections on both
ports, endless bodies, endless heads, and a new Gradio session with each request. The first three
come from the visitor's own address, the last from others, as people who have not signed in share a
pace. All of it on loopback.

    python -m benchmarks.limits [--smoke]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import psutil

from benchmarks.report import Report
from benchmarks.web_pages import Started, started

P95_SECONDS = 1.0
MEMORY_MB = 400.0
SIZES = {  # of an attack, and of its smoke form
    "half-open connections": (2000, 100),
    "bodies of 100 MB": (20, 2),
    "heads of 100 MB": (20, 2),
    "new sessions": (10_000, 300),
}
_MB = 1_000_000
_PART = b"x" * 65536


@dataclass
class Visitor:
    """Opens the page and asks how things stand, again and again."""

    url: str
    pid: int
    opened: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    megabytes: float = 0.0

    def stay(self, while_: Callable[[], bool], least: int) -> None:
        """As long as `while_` is true, at least `least` times."""
        process = psutil.Process(self.pid)
        with httpx.Client(base_url=self.url, trust_env=False, timeout=30) as client:
            question = snapshot(client, "the-honest-visitor")
            while while_() or len(self.opened) < least:
                self.opened.append(seconds(lambda: client.get("/")))
                for _ in range(3):
                    self.asked.append(
                        seconds(lambda: client.post("/gradio_api/component_server", json=question))
                    )
                    self.megabytes = max(self.megabytes, process.memory_info().rss / _MB)
                    time.sleep(0.03)


def seconds(ask: Callable[[], httpx.Response]) -> float:
    """How long a good answer takes; one that is none, or broken off, is asked for again."""
    begun = time.perf_counter()
    while True:
        with contextlib.suppress(httpx.TransportError):
            if ask().status_code == 200:
                return time.perf_counter() - begun
        if time.perf_counter() - begun > 60:
            raise RuntimeError("There was no good answer within a minute.")


def snapshot(client: httpx.Client, session: str) -> dict[str, object]:
    """The question an open page asks each second."""
    parts = client.get("/config").raise_for_status().json()["components"]
    asked = next(p for p in parts if "snapshot" in (p["props"].get("server_fns") or ()))
    return {
        "session_hash": session,
        "component_id": asked["id"],
        "fn_name": "snapshot",
        "data": [{}],
    }


# -- attacks -------------------------------------------------------------------------------


async def half_open(page: str, fleet_port: int, number: int) -> None:
    """A part of a head, a part of a body, or nothing; on the port for sites half a handshake."""
    port, held = urlsplit(page).port or 80, []
    sent = (
        b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n",
        b"POST /gradio_api/queue/join HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9000\r\n\r\nx",
        b"",
    )
    for place in range(number):
        for where, begun in ((port, sent[place % 3]), (fleet_port, b"\x16\x03\x01\x02")):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", where)
                writer.write(begun)
                held.append(writer)
    for _ in range(10):  # and they drip
        await asyncio.sleep(0.5)
        held = [writer for writer in held if not writer.is_closing()]
        for writer in held:
            writer.write(b"x")


async def bodies(page: str, _: int, number: int) -> None:
    """Half of them announced, half in pieces; five at a time."""
    paths = ("/gradio_api/queue/join", "/gradio_api/component_server", "/api/v1/join", "/logout")

    async def one(place: int) -> None:
        how = b"content-length: %d" % (100 * _MB) if place % 2 else b"transfer-encoding: chunked"
        head = b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\n" % paths[place % 4].encode() + how
        part = _PART if place % 2 else b"%x\r\n%s\r\n" % (len(_PART), _PART)
        await poured(page, head + b"\r\n\r\n", part)

    await in_parallel(one, number, 5)


async def heads(page: str, _: int, number: int) -> None:
    """One header without an end; five at a time."""

    async def one(__: int) -> None:
        await poured(page, b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: ", _PART)

    await in_parallel(one, number, 5)


async def poured(page: str, head: bytes, part: bytes) -> None:
    """Send `head` and then 100 MB, as far as somebody takes them."""
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(page).port)
        writer.write(head)
        for _ in range(100 * _MB // len(part)):
            writer.write(part)
            await writer.drain()
        writer.close()


async def sessions(page: str, _: int, number: int) -> None:
    """Each request with another session, from thirty addresses, two at a time from each."""
    with httpx.Client(base_url=page, trust_env=False) as client:
        question = snapshot(client, "")
    clients = []
    for place in range(30):
        way = httpx.AsyncHTTPTransport(local_address=f"127.0.2.{place + 1}")
        clients.append(httpx.AsyncClient(base_url=page, transport=way, timeout=60))

    async def one(place: int) -> None:
        asked = {**question, "session_hash": f"stranger-{place}"}
        with contextlib.suppress(httpx.TransportError):
            await clients[place % 30].post("/gradio_api/component_server", json=asked)

    await in_parallel(one, number, 60)


async def in_parallel(one: Callable[[int], Awaitable[None]], number: int, most: int) -> None:
    """`one` for each number, `most` at a time."""
    numbers = iter(range(number))

    async def worker() -> None:
        for place in numbers:
            await one(place)

    await asyncio.gather(*(worker() for _ in range(most)))


ATTACKS = {
    "half-open connections": half_open,
    "bodies of 100 MB": bodies,
    "heads of 100 MB": heads,
    "new sessions": sessions,
}


@contextmanager
def attacked(name: str, page: Started, number: int) -> Iterator[subprocess.Popen[bytes]]:
    """The attack as a process of its own; ended afterwards."""
    words = [sys.executable, "-m", "benchmarks.limits", "--attack", name]
    told = json.dumps([page.url, page.fleet_port, number])
    child = subprocess.Popen([*words, "--on", told])
    try:
        yield child
    finally:
        child.terminate()
        child.wait(30)


def p95(values: list[float]) -> float:
    """The value that 95 of 100 do not exceed."""
    return sorted(values)[int(len(values) * 0.95)]


def measure(report: Report, smoke: bool) -> None:
    """All attacks on one page, and the visitor's figures."""
    most = 0.0
    with started("ours") as page:
        calm = Visitor(page.url, page.pid)
        calm.stay(lambda: False, 5 if smoke else 100)
        report.add("page, undisturbed", calm.opened, "s")
        for name, sizes in SIZES.items():
            visitor = Visitor(page.url, page.pid)
            with attacked(name, page, sizes[smoke]) as child:
                over = threading.Event()
                threading.Thread(target=lambda c=child, o=over: (c.wait(), o.set())).start()
                visitor.stay(lambda o=over: not o.is_set(), 5 if smoke else 50)
            report.add(f"{name}: page", visitor.opened, "s")
            report.add(f"{name}: question", visitor.asked, "s")
            report.add(f"{name}: memory", [visitor.megabytes], "MB")
            for what, values in (("page", visitor.opened), ("question", visitor.asked)):
                slow = p95(values)
                report.target(f"{name}: {what}, p95", slow, P95_SECONDS, slow <= P95_SECONDS)
            most = max(most, visitor.megabytes)
    report.target("memory of the web process", most, MEMORY_MB, most <= MEMORY_MB)


def main() -> None:
    """Measure and report; or be the attacker."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="small attacks, to see that it works")
    parser.add_argument("--attack", choices=list(ATTACKS), help=argparse.SUPPRESS)
    parser.add_argument("--on", default="[]", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.attack:
        asyncio.run(ATTACKS[given.attack](*json.loads(given.on)))
        return
    report = Report("limits")
    measure(report, given.smoke)
    report.print()


if __name__ == "__main__":
    main()
