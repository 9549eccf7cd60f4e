"""What somebody asks for when they deploy a run, checked before anything starts. Pure.

Every fault becomes a sentence under the name of its field: `name`, `tags`, `min_sites` and so on,
and `config.KEY` for a setting of the app.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import tomli_w

from blossomtune_gradio.errors import InvalidFields, InvalidInput
from blossomtune_gradio.flower.apps.catalogue import ConfigValue, FlowerApp, validated_config
from blossomtune_gradio.flower.apps.config import typed_value
from blossomtune_gradio.flower.link import commands
from blossomtune_gradio.services.runs.limits import RunLimits, site_keys

_NAME = re.compile(r"[\w][\w .()-]{0,63}")
_TAG = re.compile(r"[\w][\w .:/-]{0,31}")
_MOST_TAGS = 12


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """One filled-in form; `config` has what differs from the app's defaults."""

    name: str = ""
    config: Mapping[str, object] = field(default_factory=dict)
    limits: RunLimits = field(default_factory=RunLimits)
    tags: tuple[str, ...] = ()


def checked(app: FlowerApp, request: RunRequest) -> dict[str, ConfigValue]:
    """The app's whole configuration with the asked values in force.

    An app that has a setting for the number of sites is told ours, unless that was given too.

    Raises:
        InvalidInput: the app cannot run.
        InvalidFields: a value cannot be used.
    """
    if not app.runnable:
        sentences = " ".join(f.sentence for f in app.findings if f.level == "error")
        raise InvalidInput(f"{app.name} cannot run. {sentences}")
    faults = {**name_faults(request.name), **request.limits.faults(), **_tag_faults(request.tags)}
    for key, value in request.config.items():
        try:
            validated_config(app, {key: value})
        except InvalidInput as error:
            faults[f"config.{key}"] = str(error)
    if faults:
        raise InvalidFields(faults)
    full = validated_config(app, request.config)
    if request.limits.min_sites:
        for key in site_keys(app.config):
            if key not in request.config:
                full |= _with_sites(app, key, request.limits.min_sites)
    return full


def _with_sites(app: FlowerApp, key: str, sites: int) -> dict[str, ConfigValue]:
    try:
        return {key: validated_config(app, {key: sites})[key]}
    except InvalidInput as error:
        raise InvalidFields(
            {"min_sites": f"It also sets {key}, and the app says: {error}"}
        ) from error


def from_form(app: FlowerApp, given: Mapping[str, object]) -> dict[str, ConfigValue]:
    """The values that differ from the defaults, of texts and switches in a form.

    Raises:
        InvalidFields: a key is unknown, or a value is not of its type.
    """
    fields, changed, faults = {one.key: one for one in app.fields}, {}, {}
    for key, value in given.items():
        try:
            if key not in fields:
                validated_config(app, {key: value})
            typed = typed_value(fields[key], value)
        except InvalidInput as error:
            faults[f"config.{key}"] = str(error)
            continue
        if (type(typed), typed) != (type(fields[key].default), fields[key].default):
            changed[key] = typed  # 1, 1.0 and true are three different values
    if faults:
        raise InvalidFields(faults)
    return changed


def differences(app: FlowerApp, config: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was given beyond the app's defaults of today; keys it lost are left out."""
    return {
        key: value
        for key, value in config.items()
        if key in app.config and (type(value), value) != (type(app.config[key]), app.config[key])
    }


def shown_command(app: FlowerApp, connection: str, config: Mapping[str, Any], home: str) -> str:
    """The `flwr run` that does the same in a terminal of the server."""
    argv = ["flwr", "run", str(app.path), connection]
    if config:
        argv += ["--run-config", " ".join(_pair(key, value) for key, value in config.items())]
    return commands.shown_command(argv, {"FLWR_HOME": home})


def name_faults(name: str) -> dict[str, str]:
    """Under `name`, or nothing."""
    plain = " ".join(name.split())
    if plain and not _NAME.fullmatch(plain):
        sentence = "A run's name has 1 to 64 letters, digits, blanks or any of . ( ) - _"
        return {"name": sentence}
    return {}


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Without blanks around them and each once.

    Raises:
        InvalidFields: there are too many, or one cannot be a tag.
    """
    found = list(dict.fromkeys(filter(None, (" ".join(tag.split()) for tag in tags))))
    if faults := _tag_faults(found):
        raise InvalidFields(faults)
    return found


def _tag_faults(tags: Iterable[str]) -> dict[str, str]:
    found = list(tags)
    if len(found) > _MOST_TAGS or not all(_TAG.fullmatch(tag) for tag in found if tag.strip()):
        return {"tags": f"Up to {_MOST_TAGS} tags of 1 to 32 letters, digits or any of . : / - _"}
    return {}


def _pair(key: str, value: object) -> str:
    return tomli_w.dumps({key: value}).strip().replace(" = ", "=", 1)
