"""The classifier and its tokenizer, and how both travel to the sites.

The server loads or makes them once; a `Blueprint` (configuration and tokenizer, both JSON) goes
to the sites with each round, so a site needs neither the hub nor the model folder. Weights are
not part of it, they travel as arrays. Heavy imports happen inside the functions.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .hub import FRESH

if TYPE_CHECKING:
    from torch.nn import Module

LABELS = 2
VOCABULARY = 8000  # words of a fresh model, the most frequent ones


@dataclass(frozen=True)
class Blueprint:
    """What a site needs to build the model and read text as the server does."""

    config: str
    tokenizer: str

    def to_bytes(self) -> bytes:
        return zlib.compress(json.dumps(asdict(self)).encode())

    @classmethod
    def from_bytes(cls, packed: bytes) -> Blueprint:
        return cls(**json.loads(zlib.decompress(packed)))


def load(source: str, texts: Iterable[str], seed: int) -> tuple[Blueprint, Module]:
    """The model a run starts from: `source` is "fresh", a folder or a hub id.

    `texts` give a fresh model its vocabulary. What has no weights yet gets them from `seed`.
    ValueError if the source cannot be read.
    """
    if source == FRESH:
        blueprint = _fresh_blueprint(texts)
        return blueprint, build(blueprint, seed)
    try:
        return _pretrained(source, seed)
    except (OSError, ValueError) as error:
        where = "folder" if Path(source).is_absolute() else "hub id"
        raise ValueError(
            f"The model {source!r} could not be loaded: {_line(error)} Give model= a {where} "
            "with config.json, tokenizer and weights."
        ) from error


def build(blueprint: Blueprint, seed: int) -> Module:
    """The model of a blueprint with random weights that depend on `seed` alone."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.manual_seed(seed)
    config = AutoConfig.for_model(**json.loads(blueprint.config))
    model: Module = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    return model


def tokenise(blueprint: Blueprint, texts: list[str], max_length: int) -> list[list[int]]:
    """Token ids of each text, at most `max_length` of them, from its end.

    A review tells its verdict at the end: with bert-tiny the last 128 tokens of an IMDB review
    are worth more than the first 128.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(blueprint.tokenizer)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, direction="left")
    # No usual token is longer than 8 characters on average; the rest need not be looked at.
    ends = [text[-8 * max_length :] for text in texts]
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(ends)]


def _pretrained(source: str, seed: int) -> tuple[Blueprint, Module]:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()  # its table of missing keys only tells that the head is new
    logging.disable_progress_bar()
    if Path(source).is_absolute() and not Path(source).is_dir():
        raise OSError("there is no such folder.")
    tokenizer = AutoTokenizer.from_pretrained(source)
    torch.manual_seed(seed)
    model: Any = AutoModelForSequenceClassification.from_pretrained(
        source, num_labels=LABELS, dtype=torch.float32
    )
    config = json.dumps(model.config.to_dict())
    return Blueprint(config=config, tokenizer=tokenizer.backend_tokenizer.to_str()), model


def _fresh_blueprint(texts: Iterable[str]) -> Blueprint:
    """bert-tiny's shape (2 layers, 128 wide, 2 heads) over the words of `texts`."""
    from transformers import BertConfig

    tokenizer = word_tokenizer(texts)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=512,
        num_labels=LABELS,
    )
    return Blueprint(config=json.dumps(config.to_dict()), tokenizer=tokenizer.to_str())


def word_tokenizer(texts: Iterable[str]) -> Any:
    """A tokenizer that knows the most frequent words of `texts` and calls all others unknown."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    normalizer, splitter = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    counts = Counter(
        word
        for text in texts
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))
    )
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = special + [word for word, _ in counts.most_common(VOCABULARY)]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
