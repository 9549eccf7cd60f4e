"""Run configurations: typed by the app's defaults, typed in by people, written for `flwr run`.

Flower itself accepts a value of the wrong type and lets the app stumble over it minutes later,
so types are checked here. The manner of writing is TOML everywhere: `key = value`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tomli
import tomli_w

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.files import write_private
from blossomtune_gradio.flower.apps.facts import ConfigField, ConfigType, ConfigValue, FlowerApp
from blossomtune_gradio.flower.apps.ranges import require_in_range

_LONGEST = 64 * 1024  # characters in the text box
_INTEGERS = range(-(2**63), 2**63)  # what Flower can carry
_DEEPEST = 20  # tables in tables
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def validated_config(app: FlowerApp, overrides: Mapping[str, object]) -> dict[str, ConfigValue]:
    """The app's whole configuration with these values in force.

    A whole number may stand for a float. Raises InvalidInput for unknown keys, wrong types, and
    values outside of what the app's remarks allow.
    """
    config, fields = dict(app.config), {field.key: field for field in app.fields}
    for key, value in overrides.items():
        if key not in config:
            raise InvalidInput(_unknown(app.title, key, list(config)))
        config[key] = _typed(key, value, config[key])
        require_in_range(fields[key], config[key])
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


def form_value(value: ConfigValue) -> str | bool:
    """What a form shows for it: a text, without quotes, or a switch.

    Numbers travel as texts, because a browser would round large ones and make 1 of 1.0.
    """
    if isinstance(value, bool | str):
        return value
    return repr(value)


def typed_value(field: ConfigField, given: object) -> ConfigValue:
    """What somebody filled in for a setting, in the setting's type.

    `given` may be a text, a switch or a number. Raises InvalidInput that names the key.
    """
    if field.type == "str" or not isinstance(given, str):
        return _typed(field.key, given, field.default)
    try:
        return _typed(field.key, _READERS[field.type](given.strip()), field.default)
    except ValueError as error:
        kind = _KINDS[type(field.default)]
        raise InvalidInput(f"{field.key} must be {kind}, got {_short(repr(given))}.") from error


def write_run_config(path: Path, config: Mapping[str, ConfigValue]) -> Path:
    """Write the file that `flwr run --run-config` reads. Its name must end in .toml.

    Returns `path`. Raises OSError when it cannot be written.
    """
    if path.suffix != ".toml":
        raise ValueError(f"{path} must end in .toml")
    write_private(path, tomli_w.dumps(dict(config)).encode())
    return path


def flat_config(
    table: Mapping[str, Any], prefix: str = "", depth: int = 0
) -> dict[str, ConfigValue]:
    """Nested tables as `table.key`, as Flower does.

    Raises InvalidInput for lists, dates, names that are empty or given twice.
    """
    if depth > _DEEPEST:
        raise InvalidInput(f"{_short(prefix)} has more than {_DEEPEST} tables in each other.")
    flat: dict[str, ConfigValue] = {}
    for key, value in table.items():
        if not key:
            raise InvalidInput(f"A name in {prefix or 'it'} is empty; give the setting a name.")
        name = f"{prefix}{key}"
        inner = flat_config(value, f"{name}.", depth + 1) if isinstance(value, Mapping) else {}
        if name in flat or not flat.keys().isdisjoint(inner):
            raise InvalidInput(f"{_short(name)} is given twice, with quotes and as a table.")
        if isinstance(value, Mapping):
            flat |= inner
        elif isinstance(value, bool | float | str):
            flat[name] = value
        elif isinstance(value, int):
            flat[name] = _fitting(name, value)
        else:
            raise InvalidInput(
                f"{_short(name)} is a {_shown_type(value)}; Flower carries only numbers, texts, "
                "true and false."
            )
    return flat


def _line(line: str) -> dict[str, Any]:
    try:
        return tomli.loads(line)
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


def _bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _number(text: str) -> float:
    if "_" in text:  # Python would read 1_0 as 10
        raise ValueError(text)
    return float(text)


def _whole_number(text: str) -> int:
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return int(text)


_READERS: dict[ConfigType, Callable[[str], ConfigValue]] = {
    "bool": _bool,
    "int": _whole_number,
    "float": _number,
    "str": str,
}


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
    """At most 60 characters, in one line."""
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:59]}…"
