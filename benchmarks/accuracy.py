"""Accuracy of quickstart_huggingface after its last round, against the same training in one place.

Federated: a real run with two sites over the SuperLink. Central: the same app code, recipe and
starting weights, trained on all that the sites trained on together (what they keep aside to check
themselves is left out here as well), as many epochs as there were rounds. Both are tested on the
same reviews. Without options the embedded sample is used, which has no target: it is small, and
twice as many steps in one place weigh more there than where the data lies.

    python -m benchmarks.accuracy --data /folder/of/reviews --model /folder/of/model
"""

import argparse
import re
import sys
import tempfile
import tomllib
from pathlib import Path

from benchmarks.report import Report
from benchmarks.rounds import QUICKSTART, kit_node, run
from tests.flower_stack import FlowerStack

LEAST, LARGEST_GAP = 0.80, 0.02
_TESTED = re.compile(r"> MetricRecord: \{'accuracy': ([\d.]+)")


def federated(config: dict[str, object], sites: int) -> list[float]:
    """Test accuracy after each round of a real run."""
    with (
        tempfile.TemporaryDirectory(prefix="blossomtune-bench-") as folder,
        FlowerStack(Path(folder)) as stack,
    ):
        for partition in range(sites):
            kit_node(stack, partition, sites)
        return [float(found) for found in _TESTED.findall(run(stack, QUICKSTART, config))]


def central(config: dict[str, object], sites: int) -> tuple[list[float], int]:
    """Test accuracy after each epoch, and how many reviews were trained on."""
    from quickstart_huggingface import data, hub, model, task
    from quickstart_huggingface.client_app import kept_aside
    from quickstart_huggingface.recipe import Recipe

    project = tomllib.loads((QUICKSTART / "pyproject.toml").read_text())
    recipe = Recipe.read({**project["tool"]["flwr"]["app"]["config"], **config})
    source, start, _ = hub.resolve(recipe.data, recipe.model)
    tested = data.load_test(source, recipe.seed, recipe.max_test_examples)
    blueprint, network = model.load(start, tested.texts, recipe.seed)
    texts: list[str] = []
    labels: list[int] = []
    for partition in range(sites):
        part = data.load_site(source, data.Site(partition, sites), recipe.seed, recipe.max_examples)
        kept = kept_aside(recipe, len(part))
        texts, labels = texts + part.texts[kept:], labels + part.labels[kept:]
    tokens = model.tokenise(blueprint, texts, recipe.max_length)
    test_tokens = model.tokenise(blueprint, tested.texts, recipe.max_length)
    accuracies = []
    for epoch in range(1, recipe.num_server_rounds + 1):
        task.train(network, tokens, labels, recipe, epoch, recipe.seed + epoch)
        accuracies.append(task.test(network, test_tokens, tested.labels)[1])
        print(f"central, epoch {epoch}: accuracy {accuracies[-1]:.4f}", flush=True)
    return accuracies, len(labels)


def measure(report: Report, config: dict[str, object], sites: int) -> None:
    """Both, and the targets if the reviews are real ones."""
    together = federated(config, sites)
    print("federated:", " ".join(f"{value:.4f}" for value in together), flush=True)
    alone, examples = central(config, sites)
    report.add("accuracy federated, last round", together[-1:], "")
    report.add("accuracy central, last epoch", alone[-1:], "")
    report.add("accuracy federated, all rounds", together, "")
    report.add("accuracy central, all epochs", alone, "")
    report.add("reviews trained on per round", [examples], "")
    if config["data"] != "sample":
        gap = alone[-1] - together[-1]
        report.target("accuracy after the last round", together[-1], LEAST, together[-1] >= LEAST)
        report.target("central minus federated", round(gap, 4), LARGEST_GAP, gap <= LARGEST_GAP)


def main(arguments: list[str]) -> int:
    """`--smoke`: a few made-up reviews, one site and one round."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", default="sample", help="sample, hub, or a folder")
    options.add_argument("--model", default="fresh", help="fresh, a hub id, or a folder")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--sites", type=int, default=2)
    options.add_argument("--smoke", action="store_true")
    chosen = options.parse_args(arguments)
    sites = 1 if chosen.smoke else chosen.sites
    sys.path.insert(0, str(QUICKSTART))
    config: dict[str, object] = {
        "data": chosen.data,
        "model": chosen.model,
        "num-server-rounds": 1 if chosen.smoke else chosen.rounds,
        "min-sites": sites,
        "max-examples": 64 if chosen.smoke else 0,
        "max-test-examples": 32 if chosen.smoke else 0,
    }
    report = Report("accuracy")
    measure(report, config, sites)
    report.print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
