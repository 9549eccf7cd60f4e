"""Train and evaluate as two messages, each weight an array of its own."""

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from plain_app import task

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    model = task.load_model(str(context.run_config["model"]))
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    loader, _ = task.load_data(context.run_config, *_site(context))
    loss = task.train(model, loader, float(context.run_config["learning-rate"]))
    metrics = MetricRecord({"train-loss": loss, "num-examples": len(loader.dataset)})
    arrays = ArrayRecord(model.state_dict())
    return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    model = task.load_model(str(context.run_config["model"]))
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    _, loader = task.load_data(context.run_config, *_site(context))
    loss, accuracy = task.test(model, loader)
    metrics = MetricRecord(
        {"loss": loss, "accuracy": accuracy, "num-examples": len(loader.dataset)}
    )
    return Message(RecordDict({"metrics": metrics}), reply_to=message)


def _site(context: Context) -> tuple[int, int]:
    config = context.node_config
    return int(config["partition-id"]), int(config["num-partitions"])
