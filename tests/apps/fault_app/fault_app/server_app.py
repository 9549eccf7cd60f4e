"""FedAvg over a vector, or the fault it was told."""

import time

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict
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
    if config["server"] == "own-grid":
        own_loop(grid, context, least)
        return
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


def own_loop(grid: Grid, context: Context, least: int) -> None:
    """One round without a strategy; what went wrong is printed as it came."""
    while len(nodes := list(grid.get_node_ids())) < least:
        time.sleep(0.5)
    config = ConfigRecord(
        {"client": context.run_config["client"], "faulty": context.run_config["faulty"], "sleep": 0}
    )
    content = RecordDict({"arrays": ArrayRecord([np.zeros(10, np.float32)]), "config": config})
    questions = [Message(content=content, dst_node_id=n, message_type="train") for n in nodes]
    for reply in grid.send_and_receive(questions):
        if reply.has_error():
            print(reply.error.reason)
            print(reply.metadata.src_node_id, reply.error.reason)
