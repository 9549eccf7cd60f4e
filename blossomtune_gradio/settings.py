"""Everything an operator can set, in one typed object that is built once and handed on.

`config.py` at the top level makes it from the environment; tests build it directly. It opens no
file and no socket. Surprise: an option that makes the start unsafe is refused here, so that no
other room has to think of it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from blossomtune_gradio.app_variables import check_app_env
from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.providers import Provider, check_people, check_providers, is_loopback

__all__ = ["Provider", "Settings", "is_loopback"]
LOCAL_HOSTS = frozenset(("127.0.0.1", "localhost", "::1"))
_BUNDLED_APPS = Path(__file__).resolve().parent.parent / "flower_apps"


# A Space is reached through a proxy in its own private network and in no other way.
_SPACE_PROXIES = frozenset(("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8"))


def composed(default: Any) -> Any:
    """A field that `config.py` puts together from several variables; it has none of its own."""
    return field(default=default, metadata={"composed": True})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All options. The variable of `data_dir` is `BLOSSOMTUNE_DATA_DIR`, and so on."""

    data_dir: Path = Path("data")
    """Folder of the database, logs, certificates and Flower's own state. Made when missing."""

    host: str = "127.0.0.1"
    """Address the web page listens on."""

    port: int = 7860
    """Port of the web page."""

    public_url: str = ""
    """Where people reach the page, like https://fl.example.org. Empty: where it listens."""

    tls_cert: Path | None = None
    """Certificate chain (PEM) with which the page itself speaks https."""

    tls_key: Path | None = None
    """Private key of that certificate."""

    trusted_proxies: frozenset[str] = frozenset()
    """Addresses or networks of proxies whose X-Forwarded-For is believed."""

    providers: tuple[Provider, ...] = composed(())
    """Ways to sign in. None: local mode, where everybody on this machine is admin."""

    space_hosts: tuple[str, ...] = composed(())
    """Names of the Hugging Face Space this runs as."""

    admins: frozenset[str] = frozenset()
    """Who is admin, by commas: hf:ada, keycloak:bob, hf-org:blossom-lab."""

    researchers: frozenset[str] = frozenset()
    """Who is researcher, likewise. Admins can add more on the page."""

    session_hours: float = 12.0
    """Hours until somebody has to sign in again."""

    smtp_url: str = field(default="", repr=False)
    """Mail server, like smtp://user:password@host:587?starttls=1 or smtps://… (docs/mail.md).
    Empty: mails wait in the Outbox of the Admin page."""

    mail_from: str = ""
    """Sender of our mails, like Our federation <fl@example.org>. Needed with `smtp_url`."""

    admin_emails: frozenset[str] = frozenset()
    """Addresses that are told of requests, by commas, besides those of admins who signed in."""

    mail_templates_dir: Path | None = None
    """Folder with mail templates that replace ours, file by file."""

    fleet_host: str = "127.0.0.1"
    """Address the TLS listener for SuperNodes listens on; `0.0.0.0` to let other machines join."""

    fleet_port: int = 7861
    """Port of that listener. It carries Flower's Fleet API and the join request, nothing else."""

    fleet_public_host: str = ""
    """Name or address under which sites reach the listener; goes into certificate and kit.
    Empty: `fleet_host`, or 127.0.0.1 when that is a wildcard."""

    sites_via: str = ""
    """By which address sites join: `page` (that of `public_url`) or `fleet` (the listener above).
    Empty: `page` on a Space, and where `public_url` is https and no `fleet_public_host` is set."""

    sites_ca: Path | None = None
    """CA certificates (PEM) for kits of sites that join by the page, where its certificate is not
    of a public CA."""

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

    site_lost_minutes: float = 10.0
    """Minutes an approved site may be away before its owner is mailed that it is lost."""

    site_preload: str = "torch,transformers.models.bert.modeling_bert,flwr_datasets.partitioner"
    """Modules a site imports once instead of once per message, by commas; missing ones are fine."""

    ready_seconds: float = 60.0
    """Seconds the SuperLink has to become ready before its start counts as failed."""

    run_slots: int = 1
    """Number of runs that may be with Flower at the same time; the others wait in the queue."""

    webhook_networks: str = ""
    """Private networks that webhooks may reach all the same, by commas: `127.0.0.1,10.1.0.0/16`."""

    app_env: frozenset[str] = frozenset()
    """Variables of the server that Flower apps see, by commas: HTTPS_PROXY,WANDB_*. Every app can
    read them."""

    def __post_init__(self) -> None:
        for name in (
            "data_dir",
            "flower_apps_dir",
            "tls_cert",
            "tls_key",
            "sites_ca",
            "mail_templates_dir",
        ):  # children work elsewhere
            if given := getattr(self, name):
                object.__setattr__(self, name, given.expanduser().absolute())
        for name in ("port", "fleet_port", "superlink_port"):
            _require(name, 0 <= getattr(self, name) <= 65535, "a port between 0 and 65535")
        _require("port", self.port == 0 or self.port != self.fleet_port, "not the fleet port")
        _require("max_participants", self.max_participants >= 1, "at least 1")
        _require("partitions", 1 <= self.partitions <= 100_000, "between 1 and 100000")
        _require("join_token_hours", self.join_token_hours > 0, "more than 0")
        _require("site_lost_minutes", self.site_lost_minutes > 0, "more than 0")
        _require("ready_seconds", self.ready_seconds > 0, "more than 0")
        _require("run_slots", 1 <= self.run_slots <= 64, "between 1 and 64")
        _require("webhook_networks", _are_networks(self.webhook_networks), "networks, by commas")
        check_app_env(self.app_env)
        _require("session_hours", self.session_hours > 0, "more than 0")
        self._check_sign_in()
        self._check_sites()

    def _check_sign_in(self) -> None:
        """Refuse whatever would let strangers in or passwords out."""
        check_providers(self.providers)
        check_people("BLOSSOMTUNE_ADMINS", self.admins, self.providers)
        check_people("BLOSSOMTUNE_RESEARCHERS", self.researchers, self.providers)
        if self.space_hosts:
            object.__setattr__(self, "public_url", f"https://{self.space_hosts[0]}")
            object.__setattr__(self, "trusted_proxies", self.trusted_proxies | _SPACE_PROXIES)
        object.__setattr__(self, "public_url", self.public_url.rstrip("/"))
        bare = _is_bare_url(self.public_url)
        _require(
            "public_url",
            not self.public_url or bare,
            "like https://fl.example.org and without a path (SuperNodes know host and port only)",
        )
        address = urlsplit(self.public_url)
        here = is_loopback(self.host) and (not bare or is_loopback(address.hostname or ""))
        if not here and not self.providers:
            variable, value = (
                ("HOST", self.host)
                if not is_loopback(self.host)
                else ("PUBLIC_URL", self.public_url)
            )
            raise SettingsError(
                f"BLOSSOMTUNE_{variable} is {value!r}, but without a sign-in provider everybody "
                "who reaches the page would be its admin. Set one up (docs/sign-in.md), or stay "
                "on 127.0.0.1 and use an SSH tunnel."
            )
        if not here and address.scheme != "https":
            raise SettingsError(
                f"BLOSSOMTUNE_HOST is {self.host!r} and BLOSSOMTUNE_PUBLIC_URL {self.public_url!r}:"
                " beyond this machine the page must be reached by https. Set BLOSSOMTUNE_PUBLIC_URL"
                " to https://…, and put a proxy with a certificate in front or set "
                "BLOSSOMTUNE_TLS_CERT and BLOSSOMTUNE_TLS_KEY."
            )
        self._check_certificate()

    def _check_certificate(self) -> None:
        both = bool(self.tls_cert) == bool(self.tls_key)
        _require("tls_key" if self.tls_cert else "tls_cert", both, "set too")
        for name in ("tls_cert", "tls_key"):
            file = getattr(self, name)
            _require(name, not file or file.is_file(), f"a file that exists, not {file}")
        plain = self.tls_cert and self.public_url.startswith("http:")
        _require("public_url", not plain, "https, as there is a certificate")

    def _check_sites(self) -> None:
        _require("sites_via", self.sites_via in ("", "page", "fleet"), "page or fleet, or empty")
        via_page = self.sites_via != "page" or bool(self.page_address)
        _require("public_url", via_page, "https, as BLOSSOMTUNE_SITES_VIA is page")
        file = self.sites_ca
        _require("sites_ca", not file or file.is_file(), f"a file that exists, not {file}")
        _require("sites_ca", not file or self.sites_use_page, "unset, as sites join by fleet port")

    @property
    def sites_use_page(self) -> bool:
        """Whether sites join by the page's address; else by the fleet port."""
        if self.sites_via:
            return self.sites_via == "page"
        return bool(self.space_hosts or (self.page_address and not self.fleet_public_host))

    @property
    def page_address(self) -> str:
        """host:port under which the page is reached by https; "" where it is not."""
        url = urlsplit(self.public_url)
        return host_and_port(url.hostname or "", url.port or 443) if url.scheme == "https" else ""

    @property
    def is_local(self) -> bool:
        """Local mode: nobody signs in, everybody on this machine is admin."""
        return not self.providers

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the page by https."""
        return self.public_url.startswith("https:") or bool(self.tls_cert)

    @property
    def hosts(self) -> frozenset[str]:
        """Host names the page answers to; those of this machine are for probes of its health."""
        public = self.space_hosts or (urlsplit(self.public_url).netloc,)
        named = {urlsplit(f"//{host}").hostname for host in public}
        return LOCAL_HOSTS | frozenset(name for name in named if name)

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


def host_and_port(host: str, port: int) -> str:
    """As in a URL: an IPv6 address in brackets, a name as DNS knows it."""
    host = host.strip("[]")
    if ":" in host:
        return f"[{host}]:{port}"
    try:
        return f"{host.encode('idna').decode()}:{port}"
    except UnicodeError:  # no name of a host; whoever looks it up will say so
        return f"{host}:{port}"


def _is_bare_url(url: str) -> bool:
    """Scheme, host and perhaps a port, nothing else."""
    try:
        address = urlsplit(url)
        named = address.scheme in ("http", "https") and address.hostname and address.port != 0
    except ValueError:
        return False
    return bool(named) and "@" not in url and url == f"{address.scheme}://{address.netloc}"


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
