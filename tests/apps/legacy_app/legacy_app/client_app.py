"""A NumPyClient that goes halfway to 1."""

import numpy as np
from flwr.client import ClientApp, NumPyClient
from flwr.common import Context


class HalfwayClient(NumPyClient):
    def __init__(self, partition: int) -> None:
        self.examples = 10 * (partition + 1)

    def fit(self, parameters: list, config: dict) -> tuple:
        weights = parameters[0] + (1 - parameters[0]) / 2
        return [weights.astype(np.float32)], self.examples, {"accuracy": float(weights.mean())}

    def evaluate(self, parameters: list, config: dict) -> tuple:
        loss = float(np.square(1 - parameters[0]).mean())
        return loss, self.examples, {"accuracy": float(parameters[0].mean())}


def client_fn(context: Context):
    return HalfwayClient(int(context.node_config["partition-id"])).to_client()


app = ClientApp(client_fn=client_fn)
