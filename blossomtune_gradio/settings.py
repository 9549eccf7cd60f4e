"""Everything an operator can set, in one typed object that is built once and handed on.

`config.py` at the top level makes it from the environment; tests build it directly. It opens no
file and no socket. Surprise: an option that makes the start unsafe is refused here, so that no
other room has to think of it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from blossomtune_gradio.errors import SettingsError

_BUNDLED_APPS = Path(__file__).resolve().parent.parent / "flower_apps"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All options. The variable of `data_dir` is `BLOSSOMTUNE_DATA_DIR`, and so on."""

    data_dir: Path = Path("data")
    """Folder of the database, logs, certificates and Flower's own state. Made when missing."""

    host: str = "127.0.0.1"
    """Address the web page listens on."""

    port: int = 7860
    """Port of the web page."""

    fleet_host: str = "127.0.0.1"
    """Address the TLS listener for SuperNodes listens on; `0.0.0.0` to let other machines join."""

    fleet_port: int = 7861
    """Port of that listener. It carries Flower's Fleet API and the join request, nothing else."""

    fleet_public_host: str = ""
    """Name or address under which sites reach the listener; goes into certificate and kit.
    Empty: `fleet_host`, or 127.0.0.1 when that is a wildcard."""

    superlink_port: int = 0
    """Loopback port of the SuperLink. 0: a free one, found at each start."""

    flower_apps_dir: Path = field(default=_BUNDLED_APPS)
    """Folder that is watched for Flower apps, one sub-folder each."""

    database_url: str = ""
    """SQLAlchemy address of the database. Empty: SQLite in `data_dir`."""

    max_participants: int = 1000
    """Number of access requests that may be alive (not denied, revoked or withdrawn)."""

    partitions: int = 10
    """Number of data partitions of a new federation, until an admin changes it on the page."""

    join_token_hours: float = 24.0
    """Hours for which the one-time token in a kit can be used."""

    site_preload: str = "torch,transformers.models.bert.modeling_bert,flwr_datasets.partitioner"
    """Modules a site imports once instead of once per message, by commas; missing ones are fine."""

    ready_seconds: float = 60.0
    """Seconds the SuperLink has to become ready before its start counts as failed."""

    run_slots: int = 1
    """Number of runs that may be with Flower at the same time; the others wait in the queue."""

    webhook_networks: str = ""
    """Private networks that webhooks may reach all the same, by commas: `127.0.0.1,10.1.0.0/16`."""

    def __post_init__(self) -> None:
        for name in (
            "data_dir",
            "flower_apps_dir",
        ):  # children work elsewhere
            object.__setattr__(self, name, getattr(self, name).expanduser().absolute())
        for name in ("port", "fleet_port", "superlink_port"):
            _require(name, 0 <= getattr(self, name) <= 65535, "a port between 0 and 65535")
        _require("port", self.port == 0 or self.port != self.fleet_port, "not the fleet port")
        _require("max_participants", self.max_participants >= 1, "at least 1")
        _require("partitions", 1 <= self.partitions <= 100_000, "between 1 and 100000")
        _require("join_token_hours", self.join_token_hours > 0, "more than 0")
        _require("ready_seconds", self.ready_seconds > 0, "more than 0")
        _require("run_slots", 1 <= self.run_slots <= 64, "between 1 and 64")
        _require("webhook_networks", _are_networks(self.webhook_networks), "networks, by commas")
        if not is_loopback(self.host):
            raise SettingsError(
                f"BLOSSOMTUNE_HOST is {self.host!r}, but without a sign-in provider everybody who "
                "reaches the page would be its admin. Use 127.0.0.1 (and an SSH tunnel or a proxy "
                "that signs people in) instead."
            )

    @property
    def database(self) -> str:
        """The SQLAlchemy address in force."""
        return self.database_url or f"sqlite:///{self.data_dir / 'blossomtune.db'}"

    @property
    def fleet_name(self) -> str:
        """Host under which sites reach the TLS listener."""
        if self.fleet_public_host:
            return self.fleet_public_host
        return "127.0.0.1" if self.fleet_host in ("0.0.0.0", "::", "") else self.fleet_host  # noqa: S104


def is_loopback(host: str) -> bool:
    """True when only programs on this machine can reach a listener on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _are_networks(text: str) -> bool:
    try:
        for part in filter(None, (part.strip() for part in text.split(","))):
            ipaddress.ip_network(part, strict=False)
    except ValueError:
        return False
    return True


def _require(name: str, good: bool, wanted: str) -> None:
    if not good:
        raise SettingsError(
            f"BLOSSOMTUNE_{name.upper()} must be {wanted}; change it and try again."
        )
