"""What an app's pyproject.toml says, read with care: it may be missing, huge or nonsense.

tomli is the parser Flower itself uses; unlike the standard library's it refuses names of more than
a thousand parts, which take minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import Any

import tomli
from flwr.cli.utils import is_valid_name
from packaging.requirements import InvalidRequirement, Requirement

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.flower.apps.comments import config_comments
from blossomtune_gradio.flower.apps.config import flat_config
from blossomtune_gradio.flower.apps.facts import ConfigValue, Finding
from blossomtune_gradio.flower.apps.tree import AppTree

_FILE = "pyproject.toml"
_LARGEST = 256 * 1024  # bytes
_MOST_NESTED = 3  # apps further down that are named
_COMPONENTS = ("serverapp", "clientapp")
_AGENT = "agentapp"


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
    if not app and (nested := _nested(tree)):
        there = _look_there("pyproject.toml has no [tool.flwr.app]", nested)
        return read, [Finding("error", there)]
    return read, [*_project_findings(project), *_app_findings(app), *findings]


def _toml(tree: AppTree) -> tuple[str, dict[str, Any]]:
    if _FILE not in tree.entries:
        raise InvalidInput(
            _look_there("There is no pyproject.toml", nested)
            if (nested := _nested(tree))
            else "There is no pyproject.toml. Add one with [project] and "
            "[tool.flwr.app.components]."
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


def _nested(tree: AppTree) -> list[str]:
    """Folders further down that look like an app."""
    found = []
    for entry in tree.of("file"):
        folder, _, name = entry.name.rpartition("/")
        if name == _FILE and folder:
            try:
                if b"[tool.flwr.app" in tree.read(entry.name, _LARGEST):
                    found.append(folder)
            except InvalidInput:
                continue
    return sorted(found)[:_MOST_NESTED]


def _look_there(why: str, folders: list[str]) -> str:
    named = " and ".join(folders)
    looks = "looks like the app" if len(folders) == 1 else "look like apps"
    return f"{why} here, but {named} {looks}. Move it beside this folder, up to the other apps."


def _project_findings(project: dict[str, Any]) -> list[Finding]:
    findings = []
    name = project.get("name")
    if not isinstance(name, str) or not is_valid_name(name.strip())[0]:
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
    return [*findings, *_other_versions(project.get("dependencies", []))]


def _other_versions(dependencies: object) -> list[Finding]:
    """Told, but no warning: most apps name the versions they were written with."""
    others = []
    for line in dependencies if isinstance(dependencies, list) else []:
        try:
            wanted = Requirement(str(line))
        except InvalidRequirement:
            continue  # Flower's packer says so
        if there := _other(wanted):
            others.append(f"{wanted.name} {there} ({wanted.specifier})")
    if not others:
        return []
    named = ", ".join(others)
    return [Finding("note", f"Other versions are here than it names, usually fine: {named}.")]


def _other(wanted: Requirement) -> str:
    """The version that is here, where it is another one than wanted."""
    if wanted.marker is not None and not wanted.marker.evaluate():
        return ""
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return ""
    return "" if wanted.specifier.contains(version, prereleases=True) else version


def _app_findings(app: dict[str, Any]) -> list[Finding]:
    findings = []
    if not isinstance(app.get("publisher"), str):
        findings.append(Finding("error", "Add a publisher under [tool.flwr.app]."))
    if _AGENT in _table(app, "components"):
        findings.append(
            Finding(
                "error",
                "It is an AgentApp. Flower starts one only with a prompt, and a run has none: the "
                "SuperLink refuses it. Only apps with serverapp and clientapp can be deployed.",
            )
        )
        return findings
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
    names = (*_COMPONENTS, _AGENT)
    return {name: table[name] for name in names if isinstance(table.get(name), str)}


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
