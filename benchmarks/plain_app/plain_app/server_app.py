"""Stock FedAvg."""

from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from plain_app import task

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    model = task.load_model(str(config["model"]))
    nodes = int(config["min-sites"])
    FedAvg(min_train_nodes=nodes, min_evaluate_nodes=nodes, min_available_nodes=nodes).start(
        grid=grid,
        initial_arrays=ArrayRecord(model.state_dict()),
        num_rounds=int(config["num-server-rounds"]),
    )
