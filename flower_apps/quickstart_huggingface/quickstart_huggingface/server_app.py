"""The server's side of a run: decide where data and model come from, average, test each round."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp

from . import data, hub, model, task
from .grid import PromptGrid
from .recipe import Recipe
from .strategy import WEIGHTS, CarefulFedAvg

if TYPE_CHECKING:
    from torch.nn import Module

app = ServerApp()
FIRST_LOOK = 500  # reviews that the untrained model is tested with


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the federation; a wrong configuration or a failed round ends it with a sentence."""
    recipe = Recipe.read(context.run_config)
    source, start, why = hub.resolve(recipe.data, recipe.model)
    if why:
        print(why, flush=True)
    reviews = data.load_test(source, recipe.seed, recipe.max_test_examples)
    blueprint, network = model.load(start, reviews.texts, recipe.seed)
    tokens = model.tokenise(blueprint, reviews.texts, recipe.max_length)
    weights = task.pack(network)
    print(
        f"data={source} model={start}: {weights.size} weights, {len(reviews)} test reviews",
        flush=True,
    )
    CarefulFedAvg(recipe.min_sites, recipe.round_timeout).start(
        grid=PromptGrid(grid),
        initial_arrays=ArrayRecord({WEIGHTS: Array(weights)}),
        num_rounds=recipe.num_server_rounds,
        timeout=recipe.round_timeout,
        train_config=ConfigRecord({"data": source, "blueprint": blueprint.to_bytes()}),
        evaluate_fn=_tester(network, tokens, reviews.labels),
    )


def _tester(
    network: "Module", tokens: task.Tokens, labels: list[int]
) -> Callable[[int, ArrayRecord], MetricRecord]:
    """A function that tests the global weights on the server's own reviews."""

    def test(server_round: int, arrays: ArrayRecord) -> MetricRecord:
        task.unpack(network, arrays[WEIGHTS].numpy())
        stop = None if server_round else FIRST_LOOK
        loss, accuracy = task.test(network, tokens[:stop], labels[:stop])
        return MetricRecord({"accuracy": accuracy, "loss": loss})

    return test
