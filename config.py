"""Environment -> Settings. The only reader of `os.environ`.

Every field of `Settings` has a variable: `BLOSSOMTUNE_` and the field's name in capitals.
"""

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.settings import Settings

PREFIX = "BLOSSOMTUNE_"
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
    environ = os.environ if environ is None else environ
    known = {field.name: field for field in fields(Settings)}
    given = {k[len(PREFIX) :].lower(): v for k, v in environ.items() if k.startswith(PREFIX)}
    if unknown := sorted(set(given) - set(known) - {"process"}):
        raise SettingsError(
            f"{PREFIX}{unknown[0].upper()} is not an option. "
            f"Known: {', '.join(PREFIX + name.upper() for name in known)}."
        )
    values = {name: _typed(name, given[name]) for name in known if given.get(name)}
    return Settings(
        **(dict(instead) | values | {k: v for k, v in overrides.items() if v is not None})
    )


def prepare_environment(settings: Settings) -> None:
    """Switch off what would call home and keep Gradio's files in the data directory.

    Must run before Gradio or Flower is imported.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ["GRADIO_TEMP_DIR"] = str(settings.data_dir.resolve() / "gradio")


def search_path() -> str:
    """`PATH` for child programs."""
    return os.environ.get("PATH", os.defpath)


def hub_variables() -> dict[str, str]:
    """What Flower apps need to reach the Hugging Face hub the way the operator set it up."""
    wanted = ("HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "XDG_CACHE_HOME")
    return {name: os.environ[name] for name in wanted if name in os.environ}


def _typed(name: str, text: str) -> Any:
    kind: Any = type(getattr(Settings, name, ""))
    if issubclass(kind, Path):
        return Path(text).expanduser()
    if kind is str:
        return text
    try:
        return kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise SettingsError(f"{PREFIX}{name.upper()} is {text!r}, but must be {wanted}.") from None
