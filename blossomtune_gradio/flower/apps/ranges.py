"""Which values a setting may have: as the app's own remarks say it, and what no app can mean.

A remark such as `# 1..100`, `# share of the sites, 0.0 .. 1.0` or `# at most 5: ..5` is a promise
about the value beside it. Pure. Limits: only whole numbers and floats, one range in a remark, and
only one that the app's own default lies in; anything else is prose.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.flower.apps.facts import ConfigField, ConfigValue

_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"(?<![\w.])({_NUMBER})?\s*\.\.\s*({_NUMBER})?(?![\w.])")
_ROUNDS = frozenset({"num-server-rounds", "num_server_rounds", "num-rounds", "num_rounds"})


@dataclass(frozen=True)
class Range:
    """From `least` to `most`, both included; None is no limit."""

    least: int | float | None = None
    most: int | float | None = None

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float) or math.isnan(value):
            return False
        return (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )

    def __str__(self) -> str:
        if self.most is None:
            return f"at least {self.least}"
        if self.least is None:
            return f"at most {self.most}"
        return f"{self.least} to {self.most}"


def range_of(field: ConfigField) -> Range | None:
    """What the setting may be, None when nothing is said."""
    if field.type not in ("int", "float"):
        return None
    found = [hit.groups() for hit in _RANGE.finditer(field.comment) if any(hit.groups())]
    if len(found) == 1:
        said = Range(*(_number(text, field.type) for text in found[0]))
        if field.default in said:
            return said
    if field.key in _ROUNDS and field.type == "int" and field.default in Range(1):
        return Range(1)
    return None


def require_in_range(field: ConfigField, value: ConfigValue) -> None:
    """Raises InvalidInput, a sentence, for a value outside; the app's own default always passes."""
    limits = range_of(field)
    if limits is not None and value != field.default and value not in limits:
        raise InvalidInput(f"{field.key} must be {limits}, got {value}.")


def _number(text: str | None, kind: str) -> int | float | None:
    if text is None:
        return None
    try:
        return int(text) if kind == "int" else float(text)
    except ValueError:  # 0.5 as a limit of a whole number
        return float(text)
