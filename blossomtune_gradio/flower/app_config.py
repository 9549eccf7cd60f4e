"""Run configurations: typed by the app's defaults, typed in by people, written for `flwr run`.

Flower itself accepts a value of the wrong type and lets the app stumble over it minutes later,
so types are checked here. The manner of writing is TOML everywhere: `key = value`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.flower.app_facts import ConfigValue, FlowerApp
from blossomtune_gradio.flower.files import write_private

_LONGEST = 64 * 1024  # characters in the text box
_INTEGERS = range(-(2**63), 2**63)  # what Flower can carry
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def validated_config(app: FlowerApp, overrides: Mapping[str, object]) -> dict[str, ConfigValue]:
    """The app's whole configuration with these values in force.

    A whole number may stand for a float. Raises InvalidInput for unknown keys and wrong types.
    """
    config = dict(app.config)
    for key, value in overrides.items():
        if key not in config:
            raise InvalidInput(_unknown(app.title, key, list(config)))
        config[key] = _typed(key, value, config[key])
    return config


def parse_config_text(text: str) -> dict[str, ConfigValue]:
    """The values in lines of `key = value`; empty lines and `# remarks` are skipped.

    Raises InvalidInput that names the line.
    """
    if len(text) > _LONGEST:
        raise InvalidInput("The configuration is longer than 64 KiB; shorten it.")
    found: dict[str, ConfigValue] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            for key, value in flat_config(_line(line)).items():
                if key in found:
                    raise InvalidInput(f"{key} was given before; keep one of the two.")
                found[key] = value
        except InvalidInput as error:
            raise InvalidInput(f"Line {number}: {error}") from error
    return found


def write_run_config(path: Path, config: Mapping[str, ConfigValue]) -> Path:
    """Write the file that `flwr run --run-config` reads. Its name must end in .toml.

    Returns `path`. Raises OSError when it cannot be written.
    """
    if path.suffix != ".toml":
        raise ValueError(f"{path} must end in .toml")
    write_private(path, tomli_w.dumps(dict(config)).encode())
    return path


def flat_config(table: Mapping[str, Any], prefix: str = "") -> dict[str, ConfigValue]:
    """Nested tables as `table.key`, as Flower does. Raises InvalidInput for lists and dates."""
    flat: dict[str, ConfigValue] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flat_config(value, f"{name}.")
        elif isinstance(value, bool | float | str):
            flat[name] = value
        elif isinstance(value, int):
            flat[name] = _fitting(name, value)
        else:
            raise InvalidInput(
                f"{name} is a {_shown_type(value)}; Flower carries only numbers, texts, true and "
                "false."
            )
    return flat


def _line(line: str) -> dict[str, Any]:
    try:
        return tomllib.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(_what_is_wrong(line)) from error


def _what_is_wrong(line: str) -> str:
    key, equals, value = (part.strip() for part in line.partition("="))
    if not equals or not key:
        return f"{_short(line)} is not of the form key = value."
    if not value:
        return f"{_short(key)} has no value."
    return f'{_short(value)} is not a value. Write texts in quotes, as in {_short(key)} = "text".'


def _typed(key: str, value: object, default: ConfigValue) -> ConfigValue:
    wanted = type(default)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return _as_float(key, value)
    if type(value) is not wanted or not isinstance(value, bool | int | float | str):
        raise InvalidInput(f"{key} must be {_KINDS[wanted]}, got {_short(repr(value))}.")
    return _fitting(key, value) if type(value) is int else value


def _as_float(key: str, value: int) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise InvalidInput(f"{key} is too large a number.") from error


def _fitting(key: str, value: int) -> int:
    if value not in _INTEGERS:
        raise InvalidInput(f"{key} is too large a number; Flower carries 64 bits.")
    return value


def _unknown(title: str, key: str, known: list[str]) -> str:
    there = ", ".join(known) or "none"
    return f"{title} has no setting {_short(repr(key))}. It has: {there}."


def _shown_type(value: object) -> str:
    return {"list": "list", "NoneType": "nothing"}.get(type(value).__name__, "date or time")


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= 60 else f"{text[:59]}…"
