"""What a run may wait for and how long: sites, a quorum, a round. Pure.

Surprise: the number of sites an app waits for is the app's own affair. Ours can only be enforced
before the run starts, and handed on where the app has a setting of one of the names below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

STOP, GO_ON = "stop", "go on"
_SITE_KEYS = (
    "min-sites",
    "min-nodes",
    "min-clients",
    "min-num-clients",
    "min-available-nodes",
    "min-available-clients",
    "min-train-nodes",
    "min-fit-clients",
    "min-evaluate-nodes",
    "min-evaluate-clients",
)
_MOST_SITES, _LONGEST = 100_000, 30 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class RunLimits:
    """Times are whole seconds; 0 is no limit."""

    min_sites: int = 0
    quorum_seconds: int = 0
    on_quorum: str = STOP
    round_seconds: int = 0

    def faults(self) -> dict[str, str]:
        """A sentence for each value that cannot be used, by its name."""
        found = {}
        if not _between(self.min_sites, _MOST_SITES):
            found["min_sites"] = f"The minimum number of sites is 0 to {_MOST_SITES}."
        if not _between(self.quorum_seconds, _LONGEST):
            found["quorum_seconds"] = "The quorum deadline is 0 (none) to 2592000 seconds."
        if not _between(self.round_seconds, _LONGEST):
            found["round_seconds"] = "The round timeout is 0 (none) to 2592000 seconds."
        if self.on_quorum not in (STOP, GO_ON):
            found["on_quorum"] = f"After the quorum deadline a run can {STOP} or {GO_ON}."
        return found

    def to_json(self) -> dict[str, Any]:
        """As it is kept with a preset."""
        return asdict(self)


def site_keys(config: Mapping[str, object]) -> list[str]:
    """The settings of an app by which it is told for how many sites to wait."""
    return [key for key in _SITE_KEYS if type(config.get(key)) is int]


def _between(value: object, most: int) -> bool:
    return type(value) is int and 0 <= value <= most
