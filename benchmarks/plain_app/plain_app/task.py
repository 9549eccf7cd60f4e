"""Data, model, training and testing, without any of the things that make rounds short."""

from typing import Any

import torch
from datasets import Dataset
from flwr_datasets.partitioner import IidPartitioner
from pyarrow import parquet
from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding


def load_model(folder: str) -> Any:
    return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)


def load_data(config: Any, partition: int, partitions: int) -> tuple[Any, Any]:
    """Loaders of this site's training and test examples."""
    seed = int(config["seed"])
    rows = Dataset.from_dict(parquet.read_table(f"{config['data']}/train.parquet").to_pydict())
    partitioner = IidPartitioner(num_partitions=partitions)
    partitioner.dataset = rows.shuffle(seed).select(range(int(config["max-examples"])))
    tokenizer = AutoTokenizer.from_pretrained(config["model"])
    part = (
        partitioner.load_partition(partition)
        .map(
            lambda row: tokenizer(
                row["text"], truncation=True, max_length=int(config["max-length"])
            )
        )
        .remove_columns("text")
        .rename_column("label", "labels")
    )
    split = part.train_test_split(test_size=0.2, seed=seed)
    collate, size = DataCollatorWithPadding(tokenizer), int(config["batch-size"])
    return (
        DataLoader(split["train"], shuffle=True, batch_size=size, collate_fn=collate),
        DataLoader(split["test"], batch_size=size, collate_fn=collate),
    )


def train(model: Any, loader: Any, learning_rate: float) -> float:
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    model.train()
    total = 0.0
    for batch in loader:
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


def test(model: Any, loader: Any) -> tuple[float, float]:
    """Loss and accuracy."""
    model.eval()
    loss, right = 0.0, 0
    with torch.no_grad():
        for batch in loader:
            answer = model(**batch)
            loss += answer.loss.item()
            right += int((answer.logits.argmax(dim=-1) == batch["labels"]).sum())
    return loss / len(loader), right / len(loader.dataset)
