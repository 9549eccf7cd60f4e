"""What a site does with a message: learn from its own reviews and check the outcome on some.

Training and checking are one message, because each message starts a process of its own. The
checked reviews (`validation` of the site's share, always the same ones) are never trained on;
what is checked is the model this site has just trained, so a site with odd data stands out.
"""

import time

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from . import data, model, task
from .recipe import Recipe
from .strategy import WEIGHTS

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train the received weights on this site's reviews and send them back."""
    start = time.monotonic()
    site = data.Site.read(context.node_config)  # first: cheap, and most often forgotten
    recipe = Recipe.read(context.run_config)
    told = message.content.config_records["config"]
    server_round = int(told["server-round"])
    task.use_threads(recipe.threads)

    source = str(told["data"])
    reviews = data.load_site(source, site, recipe.seed, recipe.max_examples)
    blueprint = model.Blueprint.from_bytes(told["blueprint"])
    tokens = model.tokenise(blueprint, reviews.texts, recipe.max_length)
    kept = kept_aside(recipe, len(reviews))

    network = model.build(blueprint, recipe.seed)
    task.unpack(network, message.content.array_records["arrays"][WEIGHTS].numpy())
    seed = recipe.seed + 1000 * server_round + site.partition
    labels = reviews.labels
    loss = task.train(network, tokens[kept:], labels[kept:], recipe, server_round, seed)
    checked = slice(0, kept or None)  # nothing kept aside: the training reviews themselves
    val_loss, val_accuracy = task.test(network, tokens[checked], labels[checked])

    metrics = MetricRecord(
        {
            "train-loss": loss,
            "val-loss": val_loss,
            "val-accuracy": val_accuracy,
            "seconds": time.monotonic() - start,
            "num-examples": len(reviews) - kept,
        }
    )
    print(
        f"Round {server_round}, site {site.partition}: {len(reviews) - kept} reviews, "
        f"loss {loss:.3f}, own check {val_accuracy:.3f}",
        flush=True,
    )
    reply = RecordDict(
        {
            "arrays": ArrayRecord({WEIGHTS: Array(np.ascontiguousarray(task.pack(network)))}),
            "metrics": metrics,
            "site": ConfigRecord({"partition-id": site.partition}),
        }
    )
    return Message(reply, reply_to=message)


def kept_aside(recipe: Recipe, reviews: int) -> int:
    """How many of a site's reviews are never trained on; they come first."""
    return max(1, round(reviews * recipe.validation)) if recipe.validation else 0
