"""Sends a vector to all nodes, averages what comes back, prints one point per site and round."""

import json
import time

import numpy as np
from flwr.app import ArrayRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    weights = np.zeros(10, np.float32)
    nodes = wait_for_nodes(grid, int(context.run_config["min-nodes"]))
    for server_round in range(1, int(context.run_config["num-server-rounds"]) + 1):
        content = RecordDict({"arrays": ArrayRecord([weights])})
        questions = [
            Message(content=content, dst_node_id=node, message_type="train") for node in nodes
        ]
        replies = [reply for reply in grid.send_and_receive(questions) if reply.has_content()]
        for reply in replies:
            metrics = reply.content["metrics"]
            show(round=server_round, site=str(metrics["site"]), loss=metrics["loss"])
        vectors = [reply.content["arrays"].to_numpy_ndarrays()[0] for reply in replies]
        weights = np.mean(vectors, axis=0)
        show(round=server_round, loss=float(np.square(1 - weights).mean()))


def show(**point: object) -> None:
    print(f"@@BLOSSOM {json.dumps(point)}", flush=True)


def wait_for_nodes(grid: Grid, least: int) -> list[int]:
    while len(nodes := list(grid.get_node_ids())) < least:
        time.sleep(0.5)
    return nodes
