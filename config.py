"""Environment -> Settings. The only reader of `os.environ`.

Every field of `Settings` has a variable: `BLOSSOMTUNE_` and the field's name in capitals. Surprise:
what only asks a server (most commands) needs two variables and none of the options, so `Settings`
and what it is made with are loaded by `load` alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from blossomtune_gradio.app_variables import app_variables, unset
from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.providers import Provider, github
from blossomtune_gradio.surroundings import (
    PREFIX,
    clear_way,
    read_when_it_failed,
    service_links,
    unknown_option,
    without_foreign_options,
)

if TYPE_CHECKING:
    from blossomtune_gradio.settings import Settings

_OIDC = re.compile(r"oidc_([a-z0-9_]+)_(issuer|client_id|client_secret|label|scopes|ca)")
_GITHUB = ("github_client_id", "github_client_secret")
_NOTHING: Mapping[str, Any] = MappingProxyType({})
# What programs must find before they are imported: no telemetry, no version check.
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
}


def load(
    environ: Mapping[str, str] | None = None,
    instead: Mapping[str, Any] = _NOTHING,
    **overrides: Any,
) -> Settings:
    """Build the settings; `overrides` (from the command line) win over the environment.

    `instead` has values that take the place of our defaults.

    Raises:
        SettingsError: a variable is unknown or has a value that cannot be used.
    """
    from pydantic_settings import EnvSettingsSource

    from blossomtune_gradio.settings import Settings

    environ = os.environ if environ is None else environ
    known = Settings.with_variables()
    mine = {k: v for k, v in environ.items() if k.startswith(PREFIX)}
    for name in service_links(mine):
        del mine[name]
    given = {k[len(PREFIX) :].lower(): v for k, v in mine.items()}
    signing_in = {name for name in given if _OIDC.fullmatch(name) or name in _GITHUB}
    if unknown := sorted(set(given) - set(known) - signing_in - {"process", "url", "token"}):
        raise unknown_option(PREFIX + unknown[0].upper(), [PREFIX + name.upper() for name in known])
    variables = EnvSettingsSource(Settings)
    variables.env_vars = {
        k.lower(): v for k, v in mine.items() if v
    }  # `environ`, not the process's
    values = variables()
    values["providers"] = (*_hugging_face(environ), *_oidc(given), *_github(given))
    values |= _space(environ, values)
    return Settings(
        **(dict(instead) | values | {k: v for k, v in overrides.items() if v is not None})
    )


def prepare_environment(settings: Settings) -> list[str]:
    """Make the process fit for a server; what of the environment was left out, as sentences.

    What is written is for our own user alone, nothing calls home, Gradio's files go into the data
    directory. Must run before Gradio or Flower is imported and before the data directory is made.
    Child programs inherit the umask.

    Raises:
        SettingsError: a variable stops every HTTP client.
    """
    os.umask(0o077)
    without_foreign_options(os.environ)
    os.environ.update(QUIET)
    os.environ["GRADIO_TEMP_DIR"] = str(settings.data_dir.resolve() / "gradio")
    told = left_out()
    if missing := unset(settings.app_env, os.environ):
        told.append(f"BLOSSOMTUNE_APP_ENV names what is not set: {', '.join(missing)}.")
    return told


def left_out() -> list[str]:
    """Variables that others set and nobody here can use, as sentences.

    Raises:
        SettingsError: one of them stops every HTTP client.
    """
    told = clear_way(os.environ)
    if links := sorted(service_links(os.environ)):
        told.append(
            f"{', '.join(links)}: set by Kubernetes or Docker for a service of that name, and "
            "ignored. `enableServiceLinks: false` in the pod's spec keeps them away."
        )
    return told


@contextmanager
def loading() -> Iterator[None]:
    """Around the import of Gradio and Flower, which read variables that may be anything.

    Raises:
        SettingsError: a library could not be loaded.
    """
    try:
        yield
    except Exception as error:
        names = read_when_it_failed(error, os.environ)
        fix = f"Look at {' and '.join(names)}" if names else "Install it anew, or look at variables"
        raise SettingsError(
            f"A library could not be loaded ({type(error).__name__}: {error}). {fix} in the "
            "environment, and start again."
        ) from error


def rest_variables() -> tuple[str, str]:
    """Address and token of the server the commands talk to; "" where none is named."""
    return os.environ.get(f"{PREFIX}URL", ""), os.environ.get(f"{PREFIX}TOKEN", "")


def search_path() -> str:
    """`PATH` for child programs."""
    return os.environ.get("PATH", os.defpath)


def app_environment(settings: Settings) -> dict[str, str]:
    """What Flower apps see of our environment: the way to the hub, and what the operator chose."""
    return app_variables(settings.app_env, os.environ)


def _hugging_face(environ: Mapping[str, str]) -> list[Provider]:
    """The provider that the variables a Space injects describe; they can be set by hand as well."""
    if not environ.get("OAUTH_CLIENT_ID"):
        return []
    return [
        Provider(
            name="hf",
            label="Hugging Face",
            issuer=environ.get("OPENID_PROVIDER_URL") or "https://huggingface.co",
            client_id=environ["OAUTH_CLIENT_ID"],
            client_secret=environ.get("OAUTH_CLIENT_SECRET", ""),
            scopes=environ.get("OAUTH_SCOPES") or "openid profile",
        )
    ]


def _oidc(given: Mapping[str, str]) -> list[Provider]:
    """One provider per name in BLOSSOMTUNE_OIDC_<NAME>_…"""
    found: dict[str, dict[str, str]] = {}
    for variable, value in given.items():
        if (match := _OIDC.fullmatch(variable)) and value:
            found.setdefault(match[1].replace("_", "-"), {})[match[2]] = value
    return [_named(name, told) for name, told in sorted(found.items())]


def _named(name: str, told: dict[str, str]) -> Provider:
    needed = {"client_id": "", "client_secret": "", "label": name.replace("-", " ").title()}
    return Provider(name=name, **(needed | told))  # type: ignore[arg-type]


def _github(given: Mapping[str, str]) -> list[Provider]:
    if not any(given.get(name) for name in _GITHUB):
        return []
    return [github(*(given.get(name, "") for name in _GITHUB))]


def _space(environ: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    """What follows from running as a Hugging Face Space."""
    hosts = tuple(filter(None, (h.strip() for h in environ.get("SPACE_HOST", "").split(","))))
    if not hosts:
        return {}
    if not values["providers"]:
        raise SettingsError(
            "This Space has no sign-in, so everybody would be its admin. Put `hf_oauth: true` "
            "into the header of its README.md and restart it."
        )
    return {"space_hosts": hosts, "host": values.get("host", "0.0.0.0")}  # noqa: S104
