"""The node configuration: the values of `site.toml` in Flower's notation, or named where unfit.

What this writes, Flower's parser reads back as the same values; what it could not is refused with
the name of the key. Limit: Flower takes it as one argument of a program, and Linux allows 128 KiB.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from .kit import Site
from .words import Problem

INTEGERS = range(-(2**63), 2**63)
LONGEST = 100_000  # bytes of all of it
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,127}")
_MEANT_ABOVE = ("report", "share_log", "free_disk_mb", "preload")
_SHOWN = 60


def node_config(site: Site, answer: dict[str, Any]) -> str:
    """key=value pairs, values as in TOML.

    Raises:
        Problem: Flower cannot be told one of them.
    """
    values = {
        **site.node_config,
        "partition-id": answer["partition_id"],
        "num-partitions": answer["num_partitions"],
    }
    pairs = {key: f"{key}={toml_value(key, value)}" for key, value in values.items()}
    text = " ".join(pairs.values())
    if (size := len(text.encode())) > LONGEST:
        longest = max(pairs, key=lambda key: len(pairs[key]))
        raise _unfit(
            longest,
            f"is too long: all of node_config together has {size} bytes, and may have {LONGEST}",
            "Put it into a file, and name the file here.",
        )
    return text


def toml_value(key: str, value: object) -> str:
    """One value as Flower reads it. Raises Problem with the name of the key."""
    if not _NAME.fullmatch(key):
        raise _unfit(
            key,
            "has a name that cannot be used",
            "Names consist of letters, digits, - and _, at most 128, and do not begin with -",
        )
    if isinstance(value, dict):
        fix = f"Flower takes single values: write {key}-… = … for each."
        raise _unfit(key, "is a table", fix)
    if isinstance(value, list):
        raise _unfit(key, "is a list", 'Write a text, such as "age,sex", if the app reads that.')
    if not isinstance(value, str | int | float):
        raise _unfit(key, "is a date or time", f'Write it as a text: "{value}"')
    if isinstance(value, float) and not math.isfinite(value):
        raise _unfit(key, f"is {value}, which is no finite number", "Write a number.")
    if isinstance(value, int) and value not in INTEGERS:
        raise _unfit(key, "is too large a number: Flower carries 64 bits", "Write it as a text.")
    if isinstance(value, str):  # Flower's pattern ends a text at its first quotation mark
        plain = json.dumps(value, ensure_ascii=False)[1:-1]
        return '"' + plain.replace('\\"', "\\u0022").replace("\x7f", "\\u007f") + '"'
    return json.dumps(value)


def misplaced(site: Site) -> list[str]:
    """Lines that mean something to us and stand below [node_config], where they only reach apps."""
    return [name for name in _MEANT_ABOVE if name in site.node_config]


def read_back(site: Site) -> None:
    """Have Flower's own parser read it; nothing where there is no Flower.

    Raises:
        Problem: it reads something else, or cannot read it at all.
    """
    text = node_config(site, {"partition_id": 0, "num_partitions": 1})
    try:
        from flwr.common.config import parse_config_args
    except ImportError:  # another check tells
        return
    try:
        read = parse_config_args([text])
    except Exception as error:  # noqa: BLE001 - whatever a foreign parser raises
        raise Problem(
            f"Flower cannot read node_config of site.toml ({type(error).__name__}).",
            "Take out what you added last.",
        ) from None
    for key, value in site.node_config.items():
        if key not in ("partition-id", "num-partitions") and read.get(key) != value:
            raise _unfit(key, "reaches Flower as something else", "Write it simpler.")


def _unfit(key: str, what: str, fix: str) -> Problem:
    shown = key if len(key) <= _SHOWN else f"{key[:_SHOWN]}…"
    return Problem(f"node_config.{shown} in site.toml {what}.", fix)
