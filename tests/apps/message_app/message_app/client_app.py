"""One step towards 1. How long it takes and what goes wrong is told by the server."""

import time

import numpy as np
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    config = message.content["config"]
    partition = int(context.node_config["partition-id"])
    faulty = config["faulty"] in ("all", str(partition))
    weights = message.content["arrays"].to_numpy_ndarrays()[0]
    time.sleep(float(config["sleep"]))
    if faulty and config["mode"] == "raise":
        raise RuntimeError("this client was told to fail")
    weights = weights + float(config["learning-rate"]) * (1 - weights)
    if faulty and config["mode"] == "nan":
        weights = weights * float("nan")
    return Message(
        content=RecordDict(
            {
                "arrays": ArrayRecord([weights.astype(np.float32)]),
                "metrics": _metrics(weights, partition),
            }
        ),
        reply_to=message,
    )


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    weights = message.content["arrays"].to_numpy_ndarrays()[0]
    partition = int(context.node_config["partition-id"])
    metrics = _metrics(weights, partition)
    return Message(content=RecordDict({"metrics": metrics}), reply_to=message)


def _metrics(weights: np.ndarray, partition: int) -> MetricRecord:
    loss = float(np.square(1 - weights).mean())
    return MetricRecord({"loss": loss, "num-examples": 10 * (partition + 1)})
