"""Training and testing the classifier, and its weights as one flat array.

One array instead of one per layer: Flower stores and sends each array as objects of its own, so
forty small ones cost more time than the training they carry. Torch is imported inside functions.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch.nn import Module

Tokens = list[list[int]]
TEST_BATCH = 128


def pack(model: Module) -> NDArray[np.float32]:
    """All weights of `model`, one after another."""
    from torch.nn.utils import parameters_to_vector

    flat: NDArray[np.float32] = parameters_to_vector(model.parameters()).detach().cpu().numpy()
    return flat


def unpack(model: Module, flat: NDArray[np.float32]) -> None:
    """Put the weights that `pack` took back into `model`; ValueError if they do not fit."""
    import torch
    from torch.nn.utils import vector_to_parameters

    wanted = sum(parameter.numel() for parameter in model.parameters())
    if flat.shape != (wanted,):
        raise ValueError(f"This model has {wanted} weights, but {flat.shape} came.")
    vector_to_parameters(torch.tensor(flat, dtype=torch.float32), model.parameters())


def device() -> torch.device:
    """The accelerator of this machine, or its CPU."""
    import torch

    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def use_threads(wanted: int) -> None:
    """Limit this process to `wanted` CPU threads; 0 takes half of the cores it may use.

    Half, because hyperthreads add nothing here and a second site often shares the machine.
    """
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(wanted or max(1, (cores or 1) // 2))


def train(
    model: Module, tokens: Tokens, labels: list[int], recipe: Recipe, server_round: int, seed: int
) -> float:
    """Train `model` in place for one round and return the mean loss.

    The learning rate follows one curve over the whole run, not over the round: three rounds at
    a constant rate overfit, three that end at zero do not.
    """
    import torch

    place = device()
    model.to(place).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    torch.manual_seed(seed)
    rng = random.Random(seed)
    steps = recipe.local_epochs * -(-len(labels) // recipe.batch_size)
    total, step = 0.0, 0
    for _ in range(recipe.local_epochs):
        order = rng.sample(range(len(labels)), len(labels))
        for picked in _slices(order, recipe.batch_size):
            progress = (server_round - 1 + step / steps) / recipe.num_server_rounds
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, progress)
            loss, _ = _forward(model, tokens, labels, picked, place)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total, step = total + loss.item(), step + 1
    return total / steps


def test(model: Module, tokens: Tokens, labels: list[int]) -> tuple[float, float]:
    """Mean loss and accuracy of `model` on these examples."""
    import torch

    if not labels:
        raise ValueError("There are no examples to test the model with.")
    place = device()
    model.to(place).eval()
    loss, right = 0.0, 0
    by_length = sorted(range(len(labels)), key=lambda i: len(tokens[i]))  # little padding
    with torch.inference_mode():
        for picked in _slices(by_length, TEST_BATCH):
            batch_loss, hits = _forward(model, tokens, labels, picked, place)
            loss, right = loss + batch_loss.item() * len(picked), right + hits
    return loss / len(labels), right / len(labels)


def learning_rate(recipe: Recipe, progress: float) -> float:
    """The rate at `progress` (0 … 1) of the run: up to the peak, then straight down to zero."""
    if progress < recipe.warmup:
        return recipe.learning_rate * progress / recipe.warmup
    return recipe.learning_rate * (1 - progress) / (1 - recipe.warmup)


def _forward(
    model: Any, tokens: Tokens, labels: list[int], picked: list[int], place: torch.device
) -> tuple[torch.Tensor, int]:
    """Loss and number of right answers for the picked examples."""
    import torch

    longest = max(len(tokens[i]) for i in picked)
    padding = model.config.pad_token_id or 0
    ids = torch.tensor([tokens[i] + [padding] * (longest - len(tokens[i])) for i in picked])
    lengths = torch.tensor([[len(tokens[i])] for i in picked])
    mask = (torch.arange(longest) < lengths).long()
    wanted = torch.tensor([labels[i] for i in picked], device=place)
    logits = model(input_ids=ids.to(place), attention_mask=mask.to(place)).logits
    loss = torch.nn.functional.cross_entropy(logits, wanted)
    return loss, int((logits.argmax(dim=-1) == wanted).sum())


def _slices(order: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(order), size):
        yield order[start : start + size]
