"""What a site announces as its reply, read from the body of its request; and what is none.

Flower's SuperLink checks who signed a request, and that the node it names is the signer's. It does
not compare that node with the one that the reply inside says it comes from; and a "reply" to
nothing it keeps as *work*, for any site, as if the ServerApp had sent it (flwr 1.42). So a body
that no SuperNode would send is `Forged`. Pure. The weights are not in here: Flower sends them
after, in requests of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.proto.fleet_pb2 import PushMessagesRequest, PushMessagesResponse
from google.protobuf.message import DecodeError

ACTIVATE_PATH = "/v1/fleet/activate-node"
HEARTBEAT_PATH = "/v1/fleet/send-node-heartbeat"
PULL_PATH = "/v1/fleet/pull-messages"
PUSH_PATH = "/v1/fleet/push-messages"
OBJECT_PATH = "/v1/fleet/push-object"
KEY_HEADER = "flwr-public-key"  # base64 of the PEM public key; the SuperLink checks who signed


class Forged(ValueError):
    """No SuperNode sends this; the text is what is wrong with it, as a clause: "it says …"."""


@dataclass(frozen=True)
class Reply:
    """One reply that a site announces."""

    node_id: int
    """Of whoever sends it; the SuperLink refuses the request unless the signer is that node."""
    run_id: int
    message_id: str
    """Also the name of the object that holds it."""
    question: str
    """The message that it answers."""
    error: str | None
    """The reason, if the reply is an error."""


def read(body: bytes) -> Reply:
    """The reply that a request to `PUSH_PATH` announces. Raises Forged."""
    try:
        request = PushMessagesRequest.FromString(body)
    except DecodeError:
        raise Forged("it cannot be read") from None
    if len(request.messages_list) != 1 or len(request.message_object_trees) != 1:
        raise Forged("it does not hold exactly one reply")
    message, tree = request.messages_list[0], request.message_object_trees[0]
    said = message.metadata
    if said.src_node_id != request.node.node_id:
        raise Forged("the reply says that it comes from another site")
    if not said.reply_to_message_id or said.dst_node_id != SUPERLINK_NODE_ID:
        raise Forged("it is no reply but a message to others")
    if not said.message_id or said.message_id != tree.object_id:
        raise Forged("the reply is not what its object is called")
    numbers = (said.created_at, said.ttl, *request.clientapp_runtime_list)
    if not all(math.isfinite(number) for number in numbers):  # kept as NULL, they break the run
        raise Forged("a time in it is no number")
    return Reply(
        node_id=request.node.node_id,
        run_id=said.run_id,
        message_id=said.message_id,
        question=said.reply_to_message_id,
        error=message.error.reason if message.HasField("error") else None,
    )


def awaited(answer: bytes) -> int:
    """How many objects the SuperLink, by its answer to `PUSH_PATH`, awaits; 0: it took no reply.

    It answers well, and asks for nothing, where it drops a reply: a second one to the same
    question, or one to a question that is not this site's.
    """
    try:
        return len(PushMessagesResponse.FromString(answer).objects_to_push)
    except DecodeError:
        return 0
