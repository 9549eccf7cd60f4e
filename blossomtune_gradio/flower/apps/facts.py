"""What is known of a Flower app: plain values that the readers and checks of apps share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

Api: TypeAlias = Literal["message", "legacy", "unknown"]
ConfigValue: TypeAlias = int | float | str | bool
ConfigType: TypeAlias = Literal["bool", "int", "float", "str"]
Level: TypeAlias = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing to know about an app. Only an error keeps it from running."""

    level: Level
    sentence: str


@dataclass(frozen=True)
class ConfigField:
    """One setting of an app, as a form shows it."""

    key: str
    type: ConfigType
    default: ConfigValue
    comment: str = ""
    """What stands above and beside it in pyproject.toml, in one line."""


@dataclass(frozen=True)
class SiteNeeds:
    """What an app's ClientApp asks of each site, as far as its code tells."""

    modules: dict[str, str] = field(default_factory=dict)
    """Top-level module it imports → name of the package to install."""
    install: tuple[str, ...] = ()
    """What to give to pip for them."""
    keys: tuple[str, ...] = ()
    """Keys of `[node_config]` it cannot do without, besides those every site is told."""


@dataclass(frozen=True)
class FlowerApp:
    """One sub-folder and all that can be said about it."""

    name: str
    """The folder's name; how the app is chosen here."""
    path: Path
    title: str = ""
    version: str = ""
    publisher: str = ""
    description: str = ""
    readme: str = ""
    """The text of README.md; `readme_html` makes it safe to show."""
    config: dict[str, ConfigValue] = field(default_factory=dict)
    """Defaults of [tool.flwr.app.config]; nested tables as `table.key`, as Flower does."""
    comments: dict[str, str] = field(default_factory=dict)
    """What pyproject.toml says beside the keys of `config`."""
    components: dict[str, str] = field(default_factory=dict)
    """`serverapp`, `clientapp`, `agentapp` → `module:attribute`."""
    dependencies: tuple[str, ...] = ()
    needs: SiteNeeds = field(default_factory=SiteNeeds)
    frameworks: tuple[str, ...] = ()
    """What it seems to learn with: torch, sklearn, numpy …; by its imports."""
    api: Api = "unknown"
    bundle_hash: str = ""
    """SHA-256 of what sites get, equal to Flower's `fab_hash`. Empty when there is no bundle."""
    bundle_size: int = 0
    """Bytes of what sites get, packed."""
    revision: str = ""
    """Commit (40 hex digits) of the git checkout it lies in; empty when there is none."""
    findings: tuple[Finding, ...] = ()

    @property
    def runnable(self) -> bool:
        """True when no finding is an error."""
        return not any(finding.level == "error" for finding in self.findings)

    @property
    def fields(self) -> list[ConfigField]:
        """The settings in the order of pyproject.toml."""
        return [
            ConfigField(key, config_type(value), value, self.comments.get(key, ""))
            for key, value in self.config.items()
        ]


def config_type(value: ConfigValue) -> ConfigType:
    """Its name in TOML's terms. A bool is no int here."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    return "float" if isinstance(value, float) else "str"
