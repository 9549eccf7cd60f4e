"""FedAvg over a vector, or the fault it was told."""

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from fault_app.faults import happen, wrong_type

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    happen(str(config["server"]))
    if config["server"] == "wrong-type":
        wrong_type(config["num-server-rounds"] if config["faulty"] == "all" else config["faulty"])
    least = int(config["min-nodes"])
    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=least, min_available_nodes=least)
    strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord([np.zeros(10, np.float32)]),
        num_rounds=int(config["num-server-rounds"]),
        timeout=float(config["reply-timeout"]),
        train_config=ConfigRecord(
            {
                "client": config["client"],
                "faulty": config["faulty"],
                "sleep": config["client-sleep"],
            }
        ),
    )
