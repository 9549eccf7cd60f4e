"""What an app's pyproject.toml says, read with care: it may be missing, huge or nonsense.

tomli is the parser Flower itself uses; unlike the standard library's it refuses names of more than
a thousand parts, which take minutes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import tomli
from packaging.requirements import InvalidRequirement, Requirement

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.flower.app_comments import config_comments
from blossomtune_gradio.flower.app_config import flat_config
from blossomtune_gradio.flower.app_facts import ConfigValue, Finding
from blossomtune_gradio.flower.app_tree import AppTree

_FILE = "pyproject.toml"
_LARGEST = 256 * 1024  # bytes
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,31}")  # Flower's rule
_MOST_DEPENDENCIES = 20  # findings
_COMPONENTS = ("serverapp", "clientapp")


@dataclass(frozen=True)
class Project:
    """The parts of pyproject.toml that matter here."""

    title: str
    version: str
    publisher: str
    description: str
    dependencies: tuple[str, ...]
    components: dict[str, str]
    config: dict[str, ConfigValue]
    comments: dict[str, str]
    patterns: tuple[str, ...]
    """Of fab-include and fab-exclude."""


def read_project(tree: AppTree) -> tuple[Project | None, list[Finding]]:
    """The app's project and what is wrong with it; None when there is nothing to read."""
    try:
        text, content = _toml(tree)
    except InvalidInput as error:
        return None, [Finding("error", str(error))]
    project = _table(content, "project")
    app = _table(content, "tool", "flwr", "app")
    config, findings = _config(app)
    read = Project(
        title=_text(app, "display-name") or _text(project, "name"),
        version=_text(project, "version"),
        publisher=_text(app, "publisher"),
        description=_text(project, "description"),
        dependencies=_texts(project, "dependencies"),
        components=_components(app),
        config=config,
        comments={key: said for key, said in config_comments(text).items() if key in config},
        patterns=(*_texts(app, "fab-include"), *_texts(app, "fab-exclude")),
    )
    return read, [*_project_findings(project), *_app_findings(app), *findings]


def _toml(tree: AppTree) -> tuple[str, dict[str, Any]]:
    if _FILE not in tree.entries:
        raise InvalidInput(
            "There is no pyproject.toml. Add one with [project] and [tool.flwr.app.components]."
        )
    if tree.entries[_FILE].kind != "file":
        raise InvalidInput(f"pyproject.toml cannot be read: it is a {tree.entries[_FILE].kind}.")
    source = tree.read(_FILE, _LARGEST)
    if source.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise InvalidInput(
            "pyproject.toml is not valid TOML: it begins with a byte order mark. Save it as UTF-8 "
            "without one."
        )
    try:
        text = source.decode("utf-8")
        return text, tomli.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"pyproject.toml is not valid TOML: {error}.") from error


def _project_findings(project: dict[str, Any]) -> list[Finding]:
    findings = []
    name = project.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        said = "is missing" if name is None else f"is {name!r}"
        findings.append(
            Finding(
                "error",
                f"The name under [project] {said}. Flower wants a letter first, then letters, "
                "digits and hyphens, at most 32 in all (no underscore).",
            )
        )
    if not isinstance(project.get("version"), str):
        findings.append(Finding("error", 'Add a version under [project], such as "1.0.0".'))
    return [*findings, *_missing_packages(project.get("dependencies", []))]


def _missing_packages(dependencies: object) -> list[Finding]:
    """The ServerApp runs in our environment, and nothing is installed for it there."""
    findings = []
    for line in dependencies if isinstance(dependencies, list) else []:
        try:
            wanted = Requirement(str(line))
        except InvalidRequirement:
            continue  # Flower's packer says so
        there = _installed(wanted)
        if there != "":
            findings.append(
                Finding(
                    "warning",
                    f"{line} is not installed here{f', but {there}' if there else ''}. The run "
                    "fails if the ServerApp imports it; sites need it if the ClientApp does.",
                )
            )
    return findings[:_MOST_DEPENDENCIES]


def _installed(wanted: Requirement) -> str | None:
    """ "" when it is there or not needed, the version when it is another one, None when missing."""
    if wanted.marker is not None and not wanted.marker.evaluate():
        return ""
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return None
    return "" if wanted.specifier.contains(version, prereleases=True) else version


def _app_findings(app: dict[str, Any]) -> list[Finding]:
    findings = []
    if not isinstance(app.get("publisher"), str):
        findings.append(Finding("error", "Add a publisher under [tool.flwr.app]."))
    for name in _COMPONENTS:
        if name not in _components(app):
            findings.append(
                Finding(
                    "error",
                    f"Add {name} under [tool.flwr.app.components], such as "
                    f'"my_app.{name[:-3]}_app:app".',
                )
            )
    return findings


def _components(app: dict[str, Any]) -> dict[str, str]:
    table = _table(app, "components")
    return {name: table[name] for name in _COMPONENTS if isinstance(table.get(name), str)}


def _config(app: dict[str, Any]) -> tuple[dict[str, ConfigValue], list[Finding]]:
    try:
        return flat_config(_table(app, "config")), []
    except InvalidInput as error:
        return {}, [Finding("error", f"[tool.flwr.app.config]: {error}")]


def _table(content: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The table at that place, an empty one when there is none."""
    for key in keys:
        content = content.get(key, {})
        if not isinstance(content, dict):
            return {}
    return content


def _text(table: dict[str, Any], key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""


def _texts(table: dict[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
