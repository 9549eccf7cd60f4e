"""A site of the plain Fleet protocol, which may also say what no SuperNode says."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.app import Message, MetricRecord, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
    PushMessagesResponse,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    PullObjectRequest,
    PushObjectRequest,
)
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.inflatable.inflatable_utils import (
    inflate_object_from_contents,
    iterate_object_tree,
)
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor


class FleetSite:
    """One key and its session. A context manager. Refused, it raises httpx.HTTPStatusError."""

    def __init__(self, address: str, ca: Path, key: ec.EllipticCurvePrivateKey) -> None:
        """`address` is host:port of the listener for sites."""
        self.key, self.node = key, Node()
        self.client = FleetHttpClient.from_server_address(
            address,
            False,
            ca.read_bytes(),
            [
                RuntimeVersionHttpInterceptor(component_name="SuperNode"),
                NodeAuthHttpInterceptor(key, key.public_key()),
            ],
        )

    def __enter__(self) -> FleetSite:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.close()

    @property
    def pem(self) -> str:
        form = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(*form).decode()

    @property
    def openssh(self) -> str:
        form = Encoding.OpenSSH, PublicFormat.OpenSSH
        return self.key.public_key().public_bytes(*form).decode()

    def activate(self) -> int:
        """Come online; Flower's number of the node."""
        asked = ActivateNodeRequest(public_key=self.pem.encode(), heartbeat_interval=30)
        self.node = Node(node_id=self.client.ActivateNode(asked).node_id)
        return self.node.node_id

    def heartbeat(self) -> None:
        """Say that we are still there."""
        asked = SendNodeHeartbeatRequest(node=self.node, heartbeat_interval=30)
        self.client.SendNodeHeartbeat(asked)

    def pull(self) -> Message | None:
        """The next question, whole, or None."""
        answer = self.client.PullMessages(PullMessagesRequest(node=self.node))
        if not answer.messages_list:
            return None
        message, tree = message_from_proto(answer.messages_list[0]), answer.message_object_trees[0]
        run, contents = message.metadata.run_id, {}
        for part in iterate_object_tree(tree):
            contents[part.object_id] = self._piece(run, part.object_id)
        self.client.ConfirmMessageReceived(
            ConfirmMessageReceivedRequest(
                node=self.node, run_id=run, message_object_id=tree.object_id
            )
        )
        message.content = inflate_object_from_contents(tree.object_id, contents).content
        return message

    def _piece(self, run: int, name: str) -> bytes:
        """A part of a question, which the ServerApp may still be sending."""
        asked = PullObjectRequest(node=self.node, run_id=run, object_id=name)
        deadline = time.monotonic() + 30
        while not (answer := self.client.PullObject(asked)).object_available:
            assert time.monotonic() < deadline, f"{name} never came"
            time.sleep(0.1)
        return answer.object_content

    def reply(self, question: Message, **metrics: float) -> Message:
        """A good reply that gives the weights back as they came."""
        content = RecordDict({"metrics": MetricRecord({"num-examples": 1, "loss": 0.5, **metrics})})
        if "arrays" in question.content:
            content["arrays"] = question.content["arrays"]
        return named(Message(content, reply_to=question))

    def announced(self, reply: Message) -> PushMessagesRequest:
        """The request that announces it, to be sent as it is or spoiled."""
        head = remove_content_from_message(reply) if reply.has_content() else reply
        return PushMessagesRequest(
            node=self.node,
            messages_list=[message_to_proto(head)],
            message_object_trees=[get_object_tree(reply)],
            clientapp_runtime_list=[0.1],
        )

    def push(self, reply: Message) -> None:
        """Announce it and send it whole."""
        answer = self.client.PushMessages(self.announced(reply))
        self.send_rest(reply, answer)

    def send_rest(self, reply: Message, answer: PushMessagesResponse) -> None:
        """Send what the SuperLink awaits of it."""
        parts = get_all_nested_objects(reply)
        for name in answer.objects_to_push:
            self.client.PushObject(
                PushObjectRequest(
                    node=self.node,
                    run_id=reply.metadata.run_id,
                    object_id=name,
                    object_content=parts[name].deflate(),
                    session_id=answer.session_id,
                )
            )


def named(reply: Message) -> Message:
    """The reply under the name that Flower gives it: what it holds."""
    reply.metadata.__dict__["_message_id"] = reply.object_id
    return reply


def refusal(error: httpx.HTTPStatusError) -> tuple[int, str]:
    """Number and sentence of what the gateway, or Flower, answered."""
    return error.response.status_code, error.response.text
