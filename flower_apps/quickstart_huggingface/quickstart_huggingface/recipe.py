"""The run configuration, read once and checked.

`flwr run` refuses unknown keys but takes any type, so a wrong value is answered here with a
sentence instead of a traceback deep in the training.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a federation trains. Keys and meaning: `[tool.flwr.app.config]` in pyproject.toml."""

    num_server_rounds: int
    data: str
    model: str
    local_epochs: int
    batch_size: int
    learning_rate: float
    warmup: float
    weight_decay: float
    max_length: int
    max_examples: int
    max_test_examples: int
    validation: float
    min_sites: int
    round_timeout: float
    threads: int
    seed: int

    @classmethod
    def read(cls, config: Mapping[str, object]) -> "Recipe":
        """Build a recipe from a run configuration; ValueError names the key that is wrong."""
        values: dict[str, Any] = {}
        for name, kind in cls.__annotations__.items():
            values[name] = _typed(name.replace("_", "-"), kind, config)
        recipe = cls(**values)
        recipe._check()
        return recipe

    def _check(self) -> None:
        for name in ("num_server_rounds", "local_epochs", "batch_size", "min_sites"):
            _require(getattr(self, name) >= 1, name, "at least 1")
        for name in ("max_examples", "max_test_examples", "threads", "weight_decay"):
            _require(getattr(self, name) >= 0, name, "0 or more")
        for name in ("learning_rate", "round_timeout"):
            _require(getattr(self, name) > 0, name, "more than 0")
        for name in ("warmup", "validation"):
            _require(0 <= getattr(self, name) < 1, name, "at least 0 and less than 1")
        _require(8 <= self.max_length <= 512, "max_length", "between 8 and 512")


def _typed(key: str, kind: type, config: Mapping[str, object]) -> object:
    if key not in config:
        raise ValueError(f"The run configuration lacks '{key}'.")
    value = config[key]
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:  # exact: a bool is no number here
        raise ValueError(f"'{key}' must be of type {kind.__name__}, but is {value!r}.")
    return value


def _require(ok: bool, name: str, what: str) -> None:
    if not ok:
        raise ValueError(f"'{name.replace('_', '-')}' must be {what}.")
