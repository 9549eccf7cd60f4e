"""A 17 MB message through the gateway against direct, on a real SuperLink.

Two SuperNode connections (Flower's own client code, own keys), one to the SuperLink, one through
the gateway, take turns: a message with one array of 17 MB is fetched, confirmed, and answered with
one of the same size, as in a training round. What is timed is what a site waits for. The gateway is
a process of its own with TLS on both sides, as in the product; the ServerApp's part is played here,
too, and not timed.

The second pair of figures leaves Flower out: 17 MB posted to a server that only reads them. There
the gateway has nothing to hide behind; it has no target.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.app import ArrayRecord, Message, RecordDict
from flwr.common.serde import run_from_proto
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PullTaskInputRequest
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.inflatable.inflatable_utils import (
    inflate_object_from_contents,
    iterate_object_tree,
    pull_objects,
    push_objects,
)
from flwr.supercore.interceptors import SuperExecAuthHttpInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.grid import HttpGrid
from flwr.supernode.fleet_http_connection import http_request_response
from starlette.types import Receive, Scope, Send

from benchmarks.report import Report
from blossomtune_gradio.web.gateway import FleetGateway, fleet_app
from blossomtune_gradio.web.limits import FLEET, MIB
from blossomtune_gradio.web.listener import Listener
from blossomtune_gradio.web.server import bound
from tests.flower_stack import APPS, FlowerStack, make_private_key
from tests.signing import Signer
from tests.support import free_port, wait_for

MESSAGE = 17 * MIB
TARGET = 1.15


@dataclass
class SiteConnection:
    """One node, by whichever way it is connected."""

    node_id: int
    flower: Any

    def exchange(self) -> tuple[float, float]:
        """Fetch the waiting message and answer it. Seconds down and up."""
        _, receive, send, _, _, pull, push, confirm = self.flower
        begun = time.perf_counter()
        message, tree = receive()
        run_id = message.metadata.run_id
        wanted = [node.object_id for node in iterate_object_tree(tree)]
        contents = pull_objects(wanted, lambda object_id: pull(run_id, object_id))
        confirm(run_id, tree.object_id)
        down = time.perf_counter() - begun

        whole = inflate_object_from_contents(tree.object_id, contents)
        message.content = whole.content
        reply = Message(content=new_content(), reply_to=message)
        reply.metadata.__dict__["_message_id"] = reply.object_id
        objects, tree = get_all_nested_objects(reply), get_object_tree(reply)

        begun = time.perf_counter()
        missing, session = send(reply, tree, 0.0)
        push_objects(
            objects,
            lambda object_id, data: push(run_id, session, object_id, data),
            object_ids_to_push=missing,
        )
        return down, time.perf_counter() - begun


def new_content() -> RecordDict:
    """One array of 17 MB that was never sent before; Flower sends equal ones only once."""
    array = np.random.default_rng().integers(0, 256, MESSAGE, np.uint8)
    return RecordDict({"arrays": ArrayRecord([array])})


def measure_flower(report: Report, folder: Path, rounds: int) -> None:
    """Figures with the real SuperLink, and the target."""
    stack = FlowerStack(folder)
    with ExitStack() as cleanup:
        cleanup.callback(stack.stop)
        stack.start_superlink()
        gateway = cleanup.enter_context(serving(stack.credentials, f"https://{stack.address}"))
        sites = {
            way: cleanup.enter_context(connected(stack, way, address))
            for way, address in (("direct", stack.address), ("gateway", gateway))
        }
        grid = cleanup.enter_context(server_app(stack))
        seconds: dict[str, list[float]] = {}
        for number in range(rounds + 1):
            for way, site in sites.items():
                question = Message(new_content(), dst_node_id=site.node_id, message_type="train")
                asked = list(grid.push_messages([question]))
                down, up = site.exchange()
                assert len(list(grid.pull_messages(asked))) == 1
                if number:  # the first one of each opens connections
                    for name, figure in (("", down + up), (" down", down), (" up", up)):
                        seconds.setdefault(f"17 MB message {way}{name}", []).append(figure)
    for name, figures in seconds.items():
        report.add(name, figures, "s")
    ratio = middle(seconds["17 MB message gateway"]) / middle(seconds["17 MB message direct"])
    report.target(
        "gateway / direct, 17 MB there and back", round(ratio, 3), TARGET, ratio <= TARGET
    )


@contextmanager
def connected(stack: FlowerStack, name: str, address: str) -> Iterator[SiteConnection]:
    """A registered node that is online, without a SuperNode process around it."""
    path = stack.folder / f"{name}.key"
    stack.control.register(make_private_key(path).pem, name)
    private = load_ssh_private_key(path.read_bytes(), None)
    ca = stack.credentials.ca_cert.read_bytes()
    keys = (private, private.public_key())
    with http_request_response(address, False, ca, authentication_keys=keys) as flower:
        yield SiteConnection(flower[0], flower)


@contextmanager
def server_app(stack: FlowerStack) -> Iterator[HttpGrid]:
    """Submit a run and take the place of its ServerApp."""
    ca = stack.credentials.ca_cert.read_bytes()
    stack.submit(APPS / "numpy_app")
    secret = SuperExecAuthHttpInterceptor(
        master_secret=(stack.folder / "certificates" / "superexec.secret").read_bytes(),
        protected_methods=frozenset({"/flwr.proto.Runtime/AcquireTask"}),
    )
    runtime = RuntimeHttpClient.from_server_address(stack.address, False, ca, [secret])
    task = runtime.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-serverapp"]))
    grid = HttpGrid(stack.address, False, ca, token=task.token)
    heartbeat = HeartbeatSender(make_task_heartbeat_fn_http(grid._runtime_client))
    heartbeat.start()
    try:
        given = grid._runtime_client.PullTaskInput(PullTaskInputRequest())
        TaskIdentity.task_id, TaskIdentity.run_id = given.task_id, given.run.run_id
        TaskIdentity.node_id = given.context.node_id
        grid.set_run(run_from_proto(given.run))
        yield grid
    finally:
        heartbeat.stop()
        grid.close()
        runtime.close()


def measure_transport(report: Report, folder: Path, rounds: int) -> None:
    """Figures without Flower: 17 MB up to a server that only reads them."""
    credentials = FlowerStack(folder).credentials
    context = ssl.create_default_context(cafile=str(credentials.ca_cert))
    body, signer = os.urandom(MESSAGE), Signer()
    with ExitStack() as cleanup:
        reader = cleanup.enter_context(serving(credentials, None))
        gateway = cleanup.enter_context(serving(credentials, f"https://{reader}"))
        client = cleanup.enter_context(httpx.Client(verify=context, trust_env=False, timeout=60))
        for size, name in ((MESSAGE, "17 MB"), (1000, "1 kB")):
            seconds: dict[str, list[float]] = {"direct": [], "gateway": []}
            for number in range(rounds + 1):
                for way, address in (("direct", reader), ("gateway", gateway)):
                    begun = time.perf_counter()
                    where, headers = f"https://{address}/v1/fleet/post", signer.headers()
                    answer = client.post(where, content=body[:size], headers=headers)
                    assert answer.text == str(size)
                    if number:
                        seconds[way].append(time.perf_counter() - begun)
            for way, figures in seconds.items():
                report.add(f"{name} posted {way}, no Flower", figures, "s")


def middle(figures: list[float]) -> float:
    return float(np.median(figures))


# The two servers, each in a process of its own: `python -m benchmarks.gateway --serve …`.


@contextmanager
def serving(credentials: Any, origin: str | None) -> Iterator[str]:
    """The gateway to `origin`, or the reader when there is none. Gives its host:port."""
    port = free_port()
    files = [str(path) for path in (credentials.ca_cert, credentials.cert, credentials.key)]
    argv = [sys.executable, "-m", "benchmarks.gateway", "--serve", str(port), *files]
    process = subprocess.Popen([*argv, origin or "-"])
    try:
        wait_for(lambda: answers(port) or process.poll() is not None, 120)
        assert process.poll() is None
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def answers(port: int) -> bool:
    try:
        httpx.head(f"https://127.0.0.1:{port}/", verify=False, trust_env=False)
    except httpx.HTTPError:
        return False
    return True


def serve(port: str, ca: str, cert: str, key: str, origin: str) -> None:
    """Be one of the two servers until SIGTERM."""
    if origin == "-":
        uvicorn.run(
            read_only,
            port=int(port),
            log_level="warning",
            lifespan="off",
            ssl_certfile=cert,
            ssl_keyfile=key,
        )
        return
    app = fleet_app(FleetGateway(lambda: origin, Path(ca)), read_only)
    listener = Listener(app, FLEET, cert=Path(cert), key=Path(key))
    asyncio.run(listener.serve([bound("", "127.0.0.1", int(port))]))


async def read_only(_: Scope, receive: Receive, send: Send) -> None:
    """Reads a body and tells its length."""
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    text = str(length).encode()
    headers = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def main(arguments: list[str]) -> int:
    """`--smoke`: two turns instead of twelve."""
    if arguments[:1] == ["--serve"]:
        serve(*arguments[1:])
        return 0
    rounds = 2 if "--smoke" in arguments else 12
    report = Report("gateway")
    with tempfile.TemporaryDirectory(prefix="blossomtune-bench-") as folder:
        measure_transport(report, Path(folder) / "transport", rounds)
        measure_flower(report, Path(folder) / "flower", rounds)
    report.print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
