"""What is known of a Flower app: plain values that the readers and checks of apps share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

Api: TypeAlias = Literal["message", "legacy", "unknown"]
ConfigValue: TypeAlias = int | float | str | bool
Level: TypeAlias = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing to know about an app. Only an error keeps it from running."""

    level: Level
    sentence: str


@dataclass(frozen=True)
class FlowerApp:
    """One sub-folder and all that can be said about it."""

    name: str
    """The folder's name; how the app is chosen here."""
    path: Path
    title: str = ""
    version: str = ""
    description: str = ""
    config: dict[str, ConfigValue] = field(default_factory=dict)
    """Defaults of [tool.flwr.app.config]; nested tables as `table.key`, as Flower does."""
    components: dict[str, str] = field(default_factory=dict)
    """`serverapp` and `clientapp` → `module:attribute`."""
    api: Api = "unknown"
    bundle_hash: str = ""
    """SHA-256 of what sites get, equal to Flower's `fab_hash`. Empty when there is no bundle."""
    findings: tuple[Finding, ...] = ()

    @property
    def runnable(self) -> bool:
        """True when no finding is an error."""
        return not any(finding.level == "error" for finding in self.findings)
