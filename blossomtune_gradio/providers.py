"""Who vouches for people: the sign-in providers of this installation and what is said of them.

Pure values and their checks; `web/oauth.py` speaks with them. Surprise: plain http is taken only
for a provider on this very machine, because whoever reads that traffic can sign in as anybody.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Literal
from urllib.parse import urlsplit

from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.names import LONGEST, LONGEST_SUB, entry_of, is_plain, is_sub, shown

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_TAKEN = frozenset(("callback", "local", "system", "nobody", "token", "hf-org"))
ORGANISATION = "hf-org"  # "hf-org:blossom-lab" stands for each member of that organisation


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One way to sign in. Its name is the first half of every user id: "keycloak:1234"."""

    name: str
    label: str  # for people, on the button
    client_id: str
    client_secret: str = field(repr=False)
    kind: Literal["oidc", "github"] = "oidc"
    issuer: str = ""  # OpenID Connect: below it lies /.well-known/openid-configuration
    scopes: str = "openid profile email"
    ca: str = ""  # file of an authority (PEM) its certificate is from, besides the known ones
    authorize_url: str = ""  # the other three are for GitHub, which is no OpenID provider
    token_url: str = ""
    api_url: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in _TAKEN:
            raise SettingsError(
                f"A sign-in provider cannot be called {self.name!r}. Take small letters, digits "
                f"and '-', and none of {', '.join(sorted(_TAKEN))}."
            )
        for what in ("client_id", "client_secret", *_ADDRESSES[self.kind]):
            if not getattr(self, what):
                raise SettingsError(f"The sign-in provider {self.name} has no {what}. Set it too.")
        for what in (f.name for f in fields(self) if f.name in ("issuer", *_ADDRESSES["github"])):
            _require_safe(self.name, what, getattr(self, what))


_ADDRESSES = {"oidc": ("issuer",), "github": ("authorize_url", "token_url", "api_url")}


def github(
    client_id: str,
    client_secret: str,
    *,
    login: str = "https://github.com/login/oauth",
    api: str = "https://api.github.com/",
) -> Provider:
    """GitHub; `login` and `api` differ for a GitHub Enterprise server."""
    return Provider(
        name="github",
        label="GitHub",
        kind="github",
        client_id=client_id,
        client_secret=client_secret,
        scopes="read:user user:email",
        authorize_url=f"{login}/authorize",
        token_url=f"{login}/access_token",
        api_url=api,
    )


def check_providers(providers: Iterable[Provider]) -> None:
    """Raise `SettingsError` when two have one name."""
    names = [provider.name for provider in providers]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SettingsError(f"Two sign-in providers are called {min(twice)}. Rename one of them.")


def check_people(variable: str, entries: Iterable[str], providers: tuple[Provider, ...]) -> None:
    """Raise `SettingsError` for an entry that can never stand for anybody."""
    known = {provider.name for provider in providers}
    for text in entries:
        entry = entry_of(text)
        if entry is None:
            raise SettingsError(f"{variable} has {text!r}; write it like hf:ada or keycloak:bob.")
        of = "hf" if entry.provider == ORGANISATION else entry.provider
        if known and of not in known:
            raise SettingsError(
                f"{variable} has {text!r}, but no sign-in provider is called {of}. "
                f"There is: {', '.join(sorted(known))}."
            )
        if entry.by == "name" and not is_plain(entry.value):
            raise SettingsError(
                f"{variable} has {shown(text)!r}: a name with signs that cannot be seen, or with "
                f"more than {LONGEST} characters, stands for nobody. Write it anew, or name the "
                f"account by its number: {entry.provider}:sub:1234."
            )
        if entry.by == "sub" and not is_sub(entry.value):
            raise SettingsError(
                f"{variable} has {shown(text)!r}, but the number of an account has 1 to "
                f"{LONGEST_SUB} ASCII characters. The Admin page shows it, after the colon."
            )


def is_loopback(host: str) -> bool:
    """True when only programs on this machine can reach a listener on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _require_safe(name: str, what: str, url: str) -> None:
    if not url:
        return
    address = urlsplit(url)
    plain_but_here = address.scheme == "http" and is_loopback(address.hostname or "")
    if not (address.hostname and (address.scheme == "https" or plain_but_here)):
        raise SettingsError(
            f"The sign-in provider {name} has {what} {url!r}; it must begin with https://."
        )
