"""Labelled reviews: where they come from and which of them a site owns.

Sources are "hub", "sample" or a folder; "auto" has been resolved by the server before. Rows may
lie sorted by label, so they are shuffled with the run's seed, the same at every site, before
they are cut into parts. Surprise: a folder is read as it is, into memory, without the cache
folder that `datasets` would leave behind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import sample
from .hub import DATA, HUB, SAMPLE

SAMPLE_OF_A_SITE, SAMPLE_TEST = 2000, 1000  # a site's share stays the same however many there are
NODE_EXAMPLE = "--node-config 'partition-id=0 num-partitions=2'"


@dataclass(frozen=True)
class Reviews:
    """Texts and their labels, 0 against and 1 in favour."""

    texts: list[str]
    labels: list[int]

    def __len__(self) -> int:
        return len(self.labels)

    def cut(self, start: int, stop: int) -> "Reviews":
        return Reviews(self.texts[start:stop], self.labels[start:stop])


@dataclass(frozen=True)
class Site:
    """Which part of the data is here, as the SuperNode was told."""

    partition: int
    partitions: int
    folder: str = ""  # the site's own data; all of it is used

    @classmethod
    def read(cls, node_config: Mapping[str, object]) -> "Site":
        """ValueError if the node configuration does not say which part this site owns."""
        partition = _whole_number(node_config, "partition-id")
        partitions = _whole_number(node_config, "num-partitions")
        if not 0 <= partition < partitions:
            raise ValueError(
                f"This site was started with partition-id={partition} of num-partitions="
                f"{partitions}; it must be at least 0 and less than num-partitions."
            )
        return cls(partition, partitions, str(node_config.get("data", "")))


def load(source: str, split: str, seed: int, sites: int = 1) -> Reviews:
    """All reviews of `split` ("train" or "test"); ValueError if the source cannot be read.

    The sample is made for `sites` sites; the other sources are as large as they are.
    """
    if source == SAMPLE:
        count = SAMPLE_TEST if split == "test" else SAMPLE_OF_A_SITE * sites
        return Reviews(*sample.reviews(count, seed=2 * seed + (split == "test")))
    if source == HUB:
        return _from_hub(split)
    if Path(source).is_absolute():
        return _from_folder(Path(source), split)
    raise ValueError(
        f"'data' is {source!r}, but must be auto, hub, sample or the absolute path of a folder."
    )


def load_test(source: str, seed: int, limit: int) -> Reviews:
    """The server's test reviews in random order, at most `limit` of them unless it is 0."""
    return _shuffled(load(source, "test", seed), seed, limit)


def load_site(source: str, site: Site, seed: int, limit: int) -> Reviews:
    """The training reviews of one site. `limit` counts for all sites together, 0 = all."""
    if site.folder:
        return _shuffled(load(site.folder, "train", seed), seed, 0)
    from datasets import Dataset
    from flwr_datasets.partitioner import IidPartitioner

    everything = _shuffled(load(source, "train", seed, site.partitions), seed, limit)
    partitioner = IidPartitioner(num_partitions=site.partitions)
    partitioner.dataset = Dataset.from_dict({"text": everything.texts, "label": everything.labels})
    part = partitioner.load_partition(site.partition)
    if len(part) < 2:
        raise ValueError(
            f"{len(everything)} examples are too few for {site.partitions} partitions."
        )
    return Reviews(list(part["text"]), list(part["label"]))


def _shuffled(reviews: Reviews, seed: int, limit: int) -> Reviews:
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(reviews))
    order = order[:limit] if limit else order
    return Reviews([reviews.texts[i] for i in order], [reviews.labels[i] for i in order])


def _from_folder(folder: Path, split: str) -> Reviews:
    from pyarrow import ArrowInvalid, parquet

    path = folder / f"{split}.parquet"
    try:
        table = parquet.read_table(path, columns=["text", "label"])
    except (OSError, ArrowInvalid) as error:
        raise ValueError(f"The reviews in {path} cannot be read here: {error}") from error
    if table.num_columns != 2 or not table.num_rows:
        raise ValueError(f"{path} must have columns 'text' and 'label' and at least one row.")
    reviews = Reviews(table["text"].to_pylist(), table["label"].to_pylist())
    if not set(reviews.labels) <= {0, 1} or not all(isinstance(t, str) for t in reviews.texts):
        raise ValueError(f"In {path} each label must be 0 or 1 and each text a string.")
    return reviews


def _from_hub(split: str) -> Reviews:
    from datasets import load_dataset

    try:
        rows = load_dataset(DATA, split=split)
    except (OSError, ValueError) as error:
        raise ValueError(f"{DATA} could not be had from the hub: {error}") from error
    return Reviews(list(rows["text"]), list(rows["label"]))


def _whole_number(node_config: Mapping[str, object], key: str) -> int:
    if key not in node_config:
        raise ValueError(
            f"This site was started without {key}, so it does not know which part of the data "
            f"it owns. Start its SuperNode with {NODE_EXAMPLE}."
        )
    value = node_config[key]
    if type(value) is not int:
        raise ValueError(f"This site's {key} must be a whole number, but is {value!r}.")
    return value
