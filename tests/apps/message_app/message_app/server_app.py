"""FedAvg, with an evaluation on the server before and after each round.

With the note "lines 40" each evaluation prints 40 lines, numbered through to the end of the run.
"""

import itertools
from collections.abc import Callable

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    least = int(config["min-nodes"])
    strategy = FedAvg(
        fraction_evaluate=1.0 if config["evaluate"] else 0.0,
        min_train_nodes=least,
        min_evaluate_nodes=least,
        min_available_nodes=least,
    )
    if config["note"]:
        print(f"note: {config['note']}")
    strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord([np.zeros(int(config["size"]), np.float32)]),
        num_rounds=int(config["num-server-rounds"]),
        train_config=ConfigRecord(
            {
                "learning-rate": config["learning-rate"],
                "sleep": config["client-sleep"],
                "mode": config["mode"],
                "faulty": config["faulty"],
            }
        ),
        evaluate_fn=talkative(str(config["note"])),
    )


def talkative(note: str) -> Callable[[int, ArrayRecord], MetricRecord]:
    count = int(note.removeprefix("lines ")) if note.startswith("lines ") else 0
    numbers = itertools.count(1)

    def measured(server_round: int, arrays: ArrayRecord) -> MetricRecord:
        for number in itertools.islice(numbers, count):
            print(f"line {number} of the ServerApp")
        return evaluate(server_round, arrays)

    return measured


def evaluate(server_round: int, arrays: ArrayRecord) -> MetricRecord:
    weights = arrays.to_numpy_ndarrays()[0]
    accuracy = float(1 - np.abs(1 - weights).mean())
    return MetricRecord({"accuracy": accuracy, "loss": float(np.square(1 - weights).mean())})
