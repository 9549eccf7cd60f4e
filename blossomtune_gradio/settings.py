"""Everything an operator can set, in one typed object that is built once and handed on.

`config.py` at the top level makes it from the environment; tests build it directly. It opens no
file and no socket. Surprises: building one reads no environment, though pydantic-settings could;
and an option that makes the start unsafe is refused here, so that no other room has to think of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from blossomtune_gradio import option_kinds as kinds
from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.option_kinds import host_and_port, require, sentence, variable
from blossomtune_gradio.providers import Provider, check_people, check_providers, is_loopback
from blossomtune_gradio.surroundings import PREFIX

__all__ = ["Provider", "Settings", "host_and_port", "is_loopback"]
_COMPOSED = ("providers", "space_hosts")  # by `config.py`, of several variables
LOCAL_HOSTS = frozenset(("127.0.0.1", "localhost", "::1"))
_BUNDLED_APPS = Path(__file__).resolve().parent.parent / "flower_apps"
# A Space is reached through a proxy in its own private network and in no other way.
_SPACE_PROXIES = frozenset(("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8"))


class Settings(BaseSettings):
    """All options. The variable of `data_dir` is `BLOSSOMTUNE_DATA_DIR`, and so on."""

    # Lists are written by commas, not as JSON.
    model_config = SettingsConfigDict(env_prefix=PREFIX, enable_decoding=False, frozen=True)

    data_dir: kinds.Place = Path("data")
    """Folder of the database, logs, certificates and Flower's own state. Made when missing."""

    host: str = "127.0.0.1"
    """Address the web page listens on."""

    port: kinds.Port = 7860
    """Port of the web page."""

    public_url: kinds.Url = ""
    """Where people reach the page, like https://fl.example.org. Empty: where it listens."""

    tls_cert: kinds.File = None
    """Certificate chain (PEM) with which the page itself speaks https."""

    tls_key: kinds.File = None
    """Private key of that certificate."""

    trusted_proxies: kinds.Names = frozenset()
    """Addresses or networks of proxies whose X-Forwarded-For is believed."""

    providers: tuple[Provider, ...] = ()
    """Ways to sign in. None: local mode, where everybody on this machine is admin."""

    space_hosts: tuple[str, ...] = ()
    """Names of the Hugging Face Space this runs as."""

    admins: kinds.Names = frozenset()
    """Who is admin, by commas: hf:ada, keycloak:bob, hf-org:blossom-lab."""

    researchers: kinds.Names = frozenset()
    """Who is researcher, likewise. Admins can add more on the page."""

    session_hours: kinds.Positive = 12.0
    """Hours until somebody has to sign in again."""

    smtp_url: str = Field("", repr=False)
    """Mail server, like smtp://user:password@host:587?starttls=1 or smtps://… (docs/mail.md).
    Empty: mails wait in the Outbox of the Admin page."""

    mail_from: str = ""
    """Sender of our mails, like Our federation <fl@example.org>. Needed with `smtp_url`."""

    admin_emails: kinds.Names = frozenset()
    """Addresses that are told of requests, by commas, besides those of admins who signed in."""

    mail_templates_dir: kinds.Place | None = None
    """Folder with mail templates that replace ours, file by file."""

    fleet_host: str = "127.0.0.1"
    """Address the TLS listener for SuperNodes listens on; `0.0.0.0` to let other machines join."""

    fleet_port: kinds.Port = 7861
    """Port of that listener. It carries Flower's Fleet API and the join request, nothing else."""

    fleet_public_host: str = ""
    """Name or address under which sites reach the listener; goes into certificate and kit.
    Empty: `fleet_host`, or 127.0.0.1 when that is a wildcard."""

    sites_via: kinds.Entrance = ""
    """By which address sites join: `page` (that of `public_url`) or `fleet` (the listener above).
    Empty: `page` on a Space, and where `public_url` is https and no `fleet_public_host` is set."""

    sites_ca: kinds.File = None
    """CA certificates (PEM) for kits of sites that join by the page, where its certificate is not
    of a public CA."""

    superlink_port: kinds.Port = 0
    """Loopback port of the SuperLink. 0: a free one, found at each start."""

    flower_apps_dir: kinds.Place = _BUNDLED_APPS
    """Folder that is watched for Flower apps, one sub-folder each."""

    database_url: str = ""
    """SQLAlchemy address of the database. Empty: SQLite in `data_dir`."""

    max_participants: kinds.AtLeastOne = 1000
    """Number of access requests that may be alive (not denied, revoked or withdrawn)."""

    partitions: kinds.Partitions = 10
    """Number of data partitions of a new federation, until an admin changes it on the page."""

    join_token_hours: kinds.Positive = 24.0
    """Hours for which the one-time token in a kit can be used."""

    site_lost_minutes: kinds.Positive = 10.0
    """Minutes an approved site may be away before its owner is mailed that it is lost."""

    site_preload: str = "torch,transformers.models.bert.modeling_bert,flwr_datasets.partitioner"
    """Modules a site imports once instead of once per message, by commas; missing ones are fine."""

    ready_seconds: kinds.Positive = 60.0
    """Seconds the SuperLink has to become ready before its start counts as failed."""

    run_slots: kinds.Slots = 1
    """Number of runs that may be with Flower at the same time; the others wait in the queue."""

    webhook_networks: kinds.Networks = ""
    """Private networks that webhooks may reach all the same, by commas: `127.0.0.1,10.1.0.0/16`."""

    app_env: kinds.AppVariables = frozenset()
    """Variables of the server that Flower apps see, by commas: HTTPS_PROXY,WANDB_*. Every app can
    read them."""

    @classmethod
    def settings_customise_sources(cls, *_: Any, **of: Any) -> tuple[Any, ...]:
        """What is handed in, and nothing else."""
        return (of["init_settings"],)

    @classmethod
    def with_variables(cls) -> list[str]:
        """Names of the fields that have a variable of their own."""
        return [name for name in cls.model_fields if name not in _COMPOSED]

    def but(self, **changes: Any) -> Self:
        """The same with some options changed, checked like new ones."""
        return type(self)(**(dict(self) | changes))

    @model_validator(mode="wrap")
    @classmethod
    def _in_words(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            raise SettingsError(sentence(error)) from None

    @model_validator(mode="after")
    def _space(self) -> Self:
        if self.space_hosts:
            object.__setattr__(self, "public_url", f"https://{self.space_hosts[0]}")
            object.__setattr__(self, "trusted_proxies", self.trusted_proxies | _SPACE_PROXIES)
        return self

    @model_validator(mode="after")
    def _sign_in(self) -> Self:
        """Refuse whatever would let strangers in or passwords out."""
        require("port", self.port == 0 or self.port != self.fleet_port, "not the fleet port")
        check_providers(self.providers)
        check_people("BLOSSOMTUNE_ADMINS", self.admins, self.providers)
        check_people("BLOSSOMTUNE_RESEARCHERS", self.researchers, self.providers)
        address = urlsplit(self.public_url)
        outside = bool(self.public_url) and not is_loopback(address.hostname or "")
        if is_loopback(self.host) and not outside:
            return self
        if not self.providers:
            open_by = "public_url" if is_loopback(self.host) else "host"
            raise SettingsError(
                f"{variable(open_by)} is {getattr(self, open_by)!r}, but without a sign-in provider"
                " everybody who reaches the page would be its admin. Set one up (docs/sign-in.md), "
                "or stay on 127.0.0.1 and use an SSH tunnel."
            )
        if address.scheme != "https":
            raise SettingsError(
                f"BLOSSOMTUNE_HOST is {self.host!r} and BLOSSOMTUNE_PUBLIC_URL {self.public_url!r}:"
                " beyond this machine the page must be reached by https. Set BLOSSOMTUNE_PUBLIC_URL"
                " to https://…, and put a proxy with a certificate in front or set "
                "BLOSSOMTUNE_TLS_CERT and BLOSSOMTUNE_TLS_KEY."
            )
        return self

    @model_validator(mode="after")
    def _https(self) -> Self:
        alone = bool(self.tls_cert) != bool(self.tls_key)
        require("tls_key" if self.tls_cert else "tls_cert", not alone, "set too")
        plain = self.tls_cert and self.public_url.startswith("http:")
        require("public_url", not plain, "https, as there is a certificate")
        via_page = self.sites_via != "page" or bool(self.page_address)
        require("public_url", via_page, "https, as BLOSSOMTUNE_SITES_VIA is page")
        by_page = not self.sites_ca or self.sites_use_page
        require("sites_ca", by_page, "unset, as sites join by fleet port")
        return self

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
        here = "127.0.0.1" if self.fleet_host in ("0.0.0.0", "::", "") else self.fleet_host  # noqa: S104
        return self.fleet_public_host or here
