"""FedAvg of the older kind, with all the metrics it can tell."""

import numpy as np
from flwr.common import Context, ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg


def weighted(metrics: list) -> dict:
    total = sum(number for number, _ in metrics)
    return {"accuracy": sum(number * m["accuracy"] for number, m in metrics) / total}


def evaluate(server_round: int, arrays: list, config: dict) -> tuple:
    return float(np.square(1 - arrays[0]).mean()), {"accuracy": float(arrays[0].mean())}


def server_fn(context: Context) -> ServerAppComponents:
    least = int(context.run_config["min-nodes"])
    strategy = FedAvg(
        min_fit_clients=least,
        min_evaluate_clients=least,
        min_available_clients=least,
        initial_parameters=ndarrays_to_parameters([np.zeros(10, np.float32)]),
        fit_metrics_aggregation_fn=weighted,
        evaluate_metrics_aggregation_fn=weighted,
        evaluate_fn=evaluate,
    )
    rounds = int(context.run_config["num-server-rounds"])
    return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=rounds))


app = ServerApp(server_fn=server_fn)
