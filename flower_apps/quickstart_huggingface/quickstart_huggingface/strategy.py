"""Federated averaging that does not trust a reply before it has looked at it.

Flower's FedAvg averages NaN into the model and ends a run when one site sends other keys. Here
such a reply becomes an error reply that names the site, the round goes on with the others, and
if too few are left the run fails with a sentence. Each accepted reply is also printed as one
`@@BLOSSOM` line of JSON for whoever draws charts. A site's own name for itself (its partition)
is only shown; Flower's node id is what can be relied on.
"""

import json
import math
from collections.abc import Iterable

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

METRICS = ("train-loss", "val-loss", "val-accuracy", "seconds", "num-examples")
WEIGHTS = "weights"  # the one array
UNUSABLE = 0  # code of the error replies made here, Flower's "unknown"


class CarefulFedAvg(FedAvg):
    """FedAvg over one flat array, without separate evaluation at the sites.

    `min_sites`: a round waits for so many nodes and needs so many usable replies.
    `timeout`: seconds a round waits for replies; only for the words when one is missing.
    """

    def __init__(self, min_sites: int, timeout: float) -> None:
        super().__init__(
            fraction_evaluate=0.0,
            min_train_nodes=min_sites,
            min_available_nodes=min_sites,
        )
        self._timeout = timeout
        self._asked: list[Message] = []
        self._length = 0

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        self._asked = list(super().configure_train(server_round, arrays, config, grid))
        self._length = arrays[WEIGHTS].shape[0]
        return self._asked

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Average the usable replies; RuntimeError if fewer than `min_sites` are usable."""
        by_question = {reply.metadata.reply_to_message_id: reply for reply in replies}
        judged = [
            self._judge(asked, by_question.get(asked.metadata.message_id)) for asked in self._asked
        ]
        usable = [reply for reply in judged if not reply.has_error()]
        result = super().aggregate_train(server_round, judged)
        if len(usable) < self.min_train_nodes:
            raise RuntimeError(
                f"Round {server_round}: {len(usable)} of {len(judged)} sites sent a usable model, "
                f"{self.min_train_nodes} are needed (min-sites). The reasons stand above."
            )
        for reply in usable:
            print(_blossom_line(server_round, reply), flush=True)
        return result

    def _judge(self, asked: Message, reply: Message | None) -> Message:
        """The reply itself, or an error reply that says what is wrong with it."""
        if reply is None:
            fault = f"no reply within {self._timeout:g} s"
        elif reply.has_error():
            # Flower's own may name no node ("unavailable"), so it is written anew as well.
            fault = reply.error.reason or "the site failed without a reason"
        else:
            fault = unusable(reply.content, self._length)
        if not fault and reply is not None:
            return reply
        return Message(Error(code=UNUSABLE, reason=fault), reply_to=asked)


def unusable(content: RecordDict, length: int) -> str:
    """What is wrong with a training reply that should bring `length` weights; empty if nothing."""
    if len(content.array_records) != 1 or len(content.metric_records) != 1:
        return "the reply must hold one ArrayRecord and one MetricRecord"
    arrays = next(iter(content.array_records.values()))
    metrics = next(iter(content.metric_records.values()))
    if set(arrays) != {WEIGHTS}:
        return f"the arrays are {sorted(arrays)}, expected only '{WEIGHTS}'"
    if set(metrics) != set(METRICS):
        return f"the metrics are {sorted(metrics)}, expected {sorted(METRICS)}"
    weights = arrays[WEIGHTS].numpy()
    if weights.shape != (length,):
        return f"the weights have shape {weights.shape}, expected ({length},)"
    if not np.issubdtype(weights.dtype, np.floating) or not np.isfinite(weights).all():
        return "the weights are not all finite numbers (NaN or infinite)"
    for name in METRICS:
        value = metrics[name]
        if isinstance(value, list) or not math.isfinite(value):
            return f"the metric '{name}' is not a finite number"
    if metrics["num-examples"] <= 0:
        return "it trained on no examples"
    return ""


def _blossom_line(server_round: int, reply: Message) -> str:
    metrics = next(iter(reply.content.metric_records.values()))
    site = reply.content.config_records.get("site", {}).get("partition-id", "")
    point = {
        "round": server_round,
        "site": str(site),
        "node": str(reply.metadata.src_node_id),  # a string: it may exceed 2^53
        "loss": metrics["val-loss"],
        "accuracy": metrics["val-accuracy"],
        "train-loss": metrics["train-loss"],
        "seconds": metrics["seconds"],
        "num-examples": metrics["num-examples"],
    }
    return "@@BLOSSOM " + json.dumps(point)
