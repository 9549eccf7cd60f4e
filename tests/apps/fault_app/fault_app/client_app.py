"""One step towards 1, or the fault it was told."""

import time

import numpy as np
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fault_app.faults import happen

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    config = message.content["config"]
    partition = int(context.node_config["partition-id"])
    fault = str(config["client"]) if config["faulty"] in ("all", str(partition)) else "ok"
    time.sleep(float(config["sleep"]))
    happen(fault)
    weights = message.content["arrays"].to_numpy_ndarrays()[0]
    weights = (weights + (1 - weights) / 2).astype(np.float32)
    metrics = {"loss": float(np.square(1 - weights).mean()), "num-examples": 10}
    if fault == "nan":
        weights, metrics["loss"] = weights * np.float32("nan"), float("nan")
    if fault == "other-keys":
        metrics = {"something": 1.0, "num-examples": 10}
    if fault == "other-shape":
        weights = np.zeros(3, np.float32)
    if fault == "nothing-changed":
        weights = message.content["arrays"].to_numpy_ndarrays()[0]
    content = {"arrays": ArrayRecord([weights]), "metrics": MetricRecord(metrics)}
    return Message(content=RecordDict(content), reply_to=message)
