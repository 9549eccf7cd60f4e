"""What a site sends back, read from the body of its request: how many rounds it has trained.

Flower itself keeps no account of what one site did. Each round asks a site to train once, so a
reply to such a message that carries no error is one round taken part in. Pure. The weights are not
in here: Flower sends them before, in requests of their own.
"""

from __future__ import annotations

from flwr.proto.fleet_pb2 import PushMessagesRequest
from google.protobuf.message import DecodeError

ACTIVATE_PATH = "/v1/fleet/activate-node"
PULL_PATH = "/v1/fleet/pull-messages"
PUSH_PATH = "/v1/fleet/push-messages"
KEY_HEADER = "flwr-public-key"  # base64 of the PEM public key; the SuperLink checks who signed


def trained(body: bytes) -> int:
    """Good replies to *train* in a request to `PUSH_PATH`; 0 when it cannot be read."""
    try:
        request = PushMessagesRequest.FromString(body)
    except DecodeError:
        return 0
    return sum(_is_training(reply) for reply in request.messages_list)


def roots(body: bytes) -> tuple[str, ...]:
    """Names of the objects that hold the replies which a request to `PUSH_PATH` announces."""
    try:
        request = PushMessagesRequest.FromString(body)
    except DecodeError:
        return ()
    return tuple(tree.object_id for tree in request.message_object_trees)


def _is_training(reply: object) -> bool:
    kind: str = reply.metadata.message_type  # type: ignore[attr-defined]
    failed: bool = reply.HasField("error")  # type: ignore[attr-defined]
    return kind.split(".")[0] == "train" and not failed
