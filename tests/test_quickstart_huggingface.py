"""The first Flower app: what it learns from, what it refuses, and one real federation of it."""

import json
import re
import socket
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the apps extra is not installed: pip install -e '.[apps]'")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from tests.flower_stack import FlowerStack
from tests.support import free_port

pytest_plugins = ["tests.flower_fixtures"]
FOLDER = Path(__file__).parents[1] / "flower_apps" / "quickstart_huggingface"
sys.path.insert(0, str(FOLDER))  # as Flower does when it runs the app

from quickstart_huggingface import data, hub, model, sample, strategy, task  # noqa: E402
from quickstart_huggingface.recipe import Recipe  # noqa: E402

DEFAULTS: dict[str, Any] = tomllib.loads((FOLDER / "pyproject.toml").read_text())["tool"]["flwr"][
    "app"
]["config"]
RECIPE = Recipe.read(DEFAULTS)
GOOD_METRICS = {
    "train-loss": 0.5,
    "val-loss": 0.4,
    "val-accuracy": 0.8,
    "seconds": 1.0,
    "num-examples": 10,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny folder of reviews, sorted by label as the real ones are."""
    for split, count in (("train", 60), ("test", 20)):
        texts, labels = sample.reviews(count, seed=5)
        rows = sorted(zip(labels, texts, strict=True))
        columns = {"text": [text for _, text in rows], "label": [label for label, _ in rows]}
        pq.write_table(pa.table(columns), tmp_path / f"{split}.parquet")
    return tmp_path


@pytest.fixture
def silent_hub() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def fresh(seed: int = 1) -> tuple[model.Blueprint, Any]:
    return model.load(hub.FRESH, sample.reviews(200, seed=1)[0], seed)


def reply(
    weights: np.ndarray, metrics: dict[str, float], key: str = strategy.WEIGHTS
) -> RecordDict:
    return RecordDict(
        {"arrays": ArrayRecord({key: Array(weights)}), "metrics": MetricRecord(metrics)}
    )


# ---- the sample


def test_the_sample_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    assert sample.reviews(50, seed=3) == sample.reviews(50, seed=3)
    assert sample.reviews(50, seed=3) != sample.reviews(50, seed=4)


def test_the_sample_is_balanced_and_its_test_reviews_are_others() -> None:
    train, tested = data.load("sample", "train", 42), data.load("sample", "test", 42)
    assert 0.45 < sum(train.labels) / len(train) < 0.55
    assert len(set(tested.texts) & set(train.texts)) < 0.1 * len(tested)


def test_counting_good_and_bad_words_is_not_enough_for_the_sample() -> None:
    texts, labels = sample.reviews(2000, seed=9)
    right = 0
    for text, label in zip(texts, labels, strict=True):
        words = text.split()
        score = sum((w in sample.GOOD) - (w in sample.BAD) for w in words)
        right += (score > 0) == bool(label)
    assert 0.6 < right / len(labels) < 0.85


def test_each_site_has_as_many_sample_reviews_however_many_sites_there_are() -> None:
    for sites in (1, 3):
        part = data.load_site("sample", data.Site(0, sites), 42, 0)
        assert len(part) == data.SAMPLE_OF_A_SITE


# ---- weights and model


def test_packed_weights_come_back_unchanged_in_another_model() -> None:
    blueprint, one = fresh(seed=1)
    other = model.build(blueprint, seed=2)
    assert not np.array_equal(task.pack(one), task.pack(other))
    task.unpack(other, task.pack(one))
    assert np.array_equal(task.pack(one), task.pack(other))


def test_packed_weights_are_one_flat_float32_array() -> None:
    _, network = fresh()
    flat = task.pack(network)
    assert flat.dtype == np.float32
    assert flat.shape == (sum(p.numel() for p in network.parameters()),)


def test_weights_of_another_size_are_refused() -> None:
    _, network = fresh()
    with pytest.raises(ValueError, match="weights, but"):
        task.unpack(network, np.zeros(3, np.float32))


def test_initial_weights_depend_on_the_seed_alone() -> None:
    assert np.array_equal(task.pack(fresh(seed=4)[1]), task.pack(fresh(seed=4)[1]))


def test_a_blueprint_survives_the_way_to_the_sites() -> None:
    blueprint, _ = fresh()
    received = model.Blueprint.from_bytes(blueprint.to_bytes())
    assert received == blueprint
    text = ["The plot was great."]
    assert model.tokenise(received, text, 128) == model.tokenise(blueprint, text, 128)


def test_a_long_review_is_read_from_its_end() -> None:
    blueprint, _ = fresh()
    long = "the plot was dull . " * 300 + "the ending was superb ."
    [tokens], [end] = (model.tokenise(blueprint, [text], 16) for text in (long, long[-60:]))
    assert len(tokens) == 16
    assert tokens == end


def test_a_model_saved_to_a_folder_starts_a_run_from_there(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    blueprint, network = fresh(seed=8)
    (tmp_path / "made.json").write_text(blueprint.tokenizer)
    network.save_pretrained(tmp_path)
    PreTrainedTokenizerFast(
        tokenizer_file=str(tmp_path / "made.json"), pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(tmp_path)
    loaded_blueprint, loaded = model.load(str(tmp_path), [], seed=1)
    assert np.array_equal(task.pack(loaded), task.pack(network))
    text = ["the plot was great ."]
    assert model.tokenise(loaded_blueprint, text, 64) == model.tokenise(blueprint, text, 64)
    assert task.pack(model.build(loaded_blueprint, 3)).shape == task.pack(network).shape


def test_a_model_folder_that_is_missing_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="could not be loaded: there is no such folder"):
        model.load(str(tmp_path / "nothing"), [], seed=1)


def test_the_learning_rate_rises_then_falls_to_zero_over_the_whole_run() -> None:
    rates = [task.learning_rate(RECIPE, progress / 10) for progress in range(11)]
    assert rates[0] == 0
    assert max(rates) == rates[1] == pytest.approx(RECIPE.learning_rate)
    assert rates[-1] == pytest.approx(0)


# ---- data and sites


@pytest.mark.parametrize("missing", ["partition-id", "num-partitions"])
def test_a_site_that_was_not_told_its_part_says_so(missing: str) -> None:
    node_config = {"partition-id": 0, "num-partitions": 2}
    del node_config[missing]
    with pytest.raises(ValueError, match=f"started without {missing}.*--node-config"):
        data.Site.read(node_config)


@pytest.mark.parametrize("partition", [2, -1])
def test_a_partition_outside_the_federation_is_refused(partition: int) -> None:
    with pytest.raises(ValueError, match=f"partition-id={partition} of num-partitions=2"):
        data.Site.read({"partition-id": partition, "num-partitions": 2})


def test_a_partition_that_is_no_whole_number_is_refused() -> None:
    with pytest.raises(ValueError, match="whole number"):
        data.Site.read({"partition-id": "zero", "num-partitions": 2})


def test_a_folder_is_shuffled_and_cut_into_parts_that_share_nothing(folder: Path) -> None:
    everything = data.load(str(folder), "train", 42)
    assert everything.labels == sorted(everything.labels)
    parts = [data.load_site(str(folder), data.Site(i, 3), 42, 0) for i in range(3)]
    assert [len(part) for part in parts] == [20, 20, 20]
    assert sorted(text for part in parts for text in part.texts) == sorted(everything.texts)
    assert all(0 < sum(part.labels) < 20 for part in parts)


def test_max_examples_counts_for_all_sites_together(folder: Path) -> None:
    parts = [data.load_site(str(folder), data.Site(i, 2), 42, limit=30) for i in range(2)]
    assert [len(part) for part in parts] == [15, 15]


def test_a_site_with_data_of_its_own_uses_all_of_it(folder: Path) -> None:
    site = data.Site.read({"partition-id": 1, "num-partitions": 3, "data": str(folder)})
    assert len(data.load_site("sample", site, 42, 0)) == 60


def test_more_sites_than_reviews_is_a_sentence(folder: Path) -> None:
    with pytest.raises(ValueError, match="60 examples are too few for 50 partitions"):
        data.load_site(str(folder), data.Site(49, 50), 42, 0)


def test_reading_a_folder_leaves_nothing_in_it(folder: Path) -> None:
    data.load_site(str(folder), data.Site(0, 2), 42, 0)
    assert sorted(path.name for path in folder.iterdir()) == ["test.parquet", "train.parquet"]


def test_a_folder_without_reviews_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path}/train.parquet cannot be read")):
        data.load(str(tmp_path), "train", 42)


def test_a_folder_with_other_labels_is_a_sentence(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["good"], "label": [5]}), tmp_path / "train.parquet")
    with pytest.raises(ValueError, match="each label must be 0 or 1"):
        data.load(str(tmp_path), "train", 42)


def test_a_relative_folder_is_refused_because_sites_have_other_places() -> None:
    with pytest.raises(ValueError, match="absolute path"):
        data.load("data/imdb", "train", 42)


# ---- auto


def test_auto_without_a_hub_takes_the_sample_and_says_so() -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    source, start, line = hub.resolve("auto", "auto", endpoint=nobody)
    assert (source, start) == ("sample", "fresh")
    assert "hub cannot be used" in line
    assert "embedded sample" in line


def test_auto_waits_only_seconds_for_a_hub_that_never_answers(silent_hub: str) -> None:
    start = time.monotonic()
    trouble = hub.hub_trouble(endpoint=silent_hub, seconds=1.5)
    assert time.monotonic() - start < 4
    assert trouble


def test_auto_keeps_what_was_given(folder: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    source, start, line = hub.resolve(str(folder), "auto", endpoint=nobody)
    assert (source, start) == (str(folder), "fresh")
    assert "from scratch" in line


def test_what_is_fully_given_asks_no_hub(silent_hub: str) -> None:
    assert hub.resolve("hub", "some/model", endpoint=silent_hub) == ("hub", "some/model", "")


# ---- the configuration


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("batch-size", "many", "'batch-size' must be of type int"),
        ("batch-size", 0, "'batch-size' must be at least 1"),
        ("learning-rate", 0.0, "'learning-rate' must be more than 0"),
        ("validation", 1.0, "'validation' must be at least 0 and less than 1"),
        ("max-length", 4, "'max-length' must be between 8 and 512"),
        ("data", 3, "'data' must be of type str"),
    ],
)
def test_a_wrong_value_names_its_key(key: str, value: object, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        Recipe.read({**DEFAULTS, key: value})


def test_a_whole_number_will_do_for_a_fraction() -> None:
    assert Recipe.read({**DEFAULTS, "round-timeout": 60}).round_timeout == 60.0


def test_the_project_name_is_one_that_flower_accepts() -> None:
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,31}", project["name"])


# ---- replies


def test_a_good_reply_is_usable() -> None:
    assert strategy.unusable(reply(np.ones(4, np.float32), GOOD_METRICS), 4) == ""


@pytest.mark.parametrize(
    ("weights", "change", "words"),
    [
        ([1, float("nan"), 1, 1], {}, "not all finite"),
        ([1, float("inf"), 1, 1], {}, "not all finite"),
        ([1, 1, 1], {}, "shape"),
        ([1, 1, 1, 1], {"val-loss": float("nan")}, "'val-loss' is not a finite number"),
        ([1, 1, 1, 1], {"num-examples": 0}, "no examples"),
        ([1, 1, 1, 1], {"more": 1.0}, "the metrics are"),
    ],
)
def test_a_bad_reply_is_not_usable(
    weights: list[float], change: dict[str, float], words: str
) -> None:
    answer = reply(np.array(weights, np.float32), {**GOOD_METRICS, **change})
    assert words in strategy.unusable(answer, 4)


def test_a_reply_with_other_arrays_or_none_is_not_usable() -> None:
    answer = reply(np.ones(4, np.float32), GOOD_METRICS, key="layer.0")
    assert "layer.0" in strategy.unusable(answer, 4)
    empty = RecordDict({"site": ConfigRecord()})
    assert "one ArrayRecord" in strategy.unusable(empty, 4)


# ---- a real federation; that two sites learn is seen in test_demo


def run(stack: FlowerStack, app: Path, **config: object) -> tuple[str, str]:
    """Status and log of a finished run."""
    file = stack.folder / "run.toml"
    lines = [f"{key.replace('_', '-')} = {json.dumps(value)}" for key, value in config.items()]
    file.write_text("\n".join(lines))
    run_id = stack.submit(app, file)
    fact = stack.wait_for_end(run_id, seconds=500)
    return f"{fact.sub_status} {fact.details}", stack.run_log(run_id)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_site_that_sends_nan_is_left_out_and_named(
    two_sites: FlowerStack, tmp_path: Path
) -> None:
    app = tmp_path / "poisoned"
    for path in FOLDER.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            copy = app / path.relative_to(FOLDER)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    client = app / "quickstart_huggingface" / "client_app.py"
    honest = "task.pack(network)"
    assert honest in client.read_text()
    client.write_text(client.read_text().replace(honest, f"{honest} / (site.partition == 0)"))
    status, log = run(
        two_sites, app, data="sample", num_server_rounds=1, min_sites=2, validation=0.5
    )
    bad_node = next(site.node_id for site in two_sites.sites if site.name == "site-1")
    assert "1 results and 1 failures" in log
    assert f"error in reply from node {bad_node}: the weights are not all finite" in log
    assert "failed" in status
    assert "1 of 2 sites sent a usable model, 2 are needed (min-sites)" in status + log
