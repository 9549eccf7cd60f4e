"""The Flower apps in a folder, found and judged without running a line of them.

Each sub-folder is an app. What is wrong with it becomes findings, sentences for the researcher;
a broken app is listed with them, never hidden, never fatal. An app is runnable when none of its
findings is an error. `bundle_hash` is what Flower will call the app in its runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock

from blossomtune_gradio.errors import InvalidInput, NotFound, SettingsError
from blossomtune_gradio.flower.apps.bundle import Bundle, bundle, left_out, tree_findings
from blossomtune_gradio.flower.apps.code import AppCode
from blossomtune_gradio.flower.apps.components import (
    component_findings,
    guess_api,
    guess_frameworks,
)
from blossomtune_gradio.flower.apps.config import (
    form_value,
    parse_config_text,
    typed_value,
    validated_config,
    write_run_config,
)
from blossomtune_gradio.flower.apps.facts import ConfigField, ConfigValue, Finding, FlowerApp
from blossomtune_gradio.flower.apps.habits import habit_findings
from blossomtune_gradio.flower.apps.harmless import harmless, shown
from blossomtune_gradio.flower.apps.installed import Installed
from blossomtune_gradio.flower.apps.needs import server_findings, site_needs
from blossomtune_gradio.flower.apps.project import Project, read_project
from blossomtune_gradio.flower.apps.reach import Reach, reach_of
from blossomtune_gradio.flower.apps.readme import LONGEST as LONGEST_README
from blossomtune_gradio.flower.apps.readme import readme_html
from blossomtune_gradio.flower.apps.revision import git_revision
from blossomtune_gradio.flower.apps.secrets import secret_findings
from blossomtune_gradio.flower.apps.tree import AppTree

__all__ = [
    "AppCatalogue",
    "ConfigField",
    "ConfigValue",
    "Finding",
    "FlowerApp",
    "check",
    "discover",
    "form_value",
    "parse_config_text",
    "typed_value",
    "validated_config",
    "write_run_config",
]

_SKIPPED = frozenset({"__pycache__", "node_modules"})
_README = "README.md"
_LARGEST_README = 1024 * 1024  # bytes; of more nothing is shown


class AppCatalogue:
    """The apps of one folder. Looks again at each call, reads only what changed. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = Lock()
        self._installed = Installed()
        self._known: dict[str, tuple[str, FlowerApp]] = {}

    def apps(self) -> list[FlowerApp]:
        """All apps by name. Raises SettingsError when the folder cannot be read."""
        with self._lock:
            paths = _app_folders(self.folder)
            self._known = {path.name: self._looked_at(path) for path in paths}
            return [app for _, app in self._known.values()]

    def get(self, name: str) -> FlowerApp:
        """The app in the folder of that name, runnable or not. Raises NotFound."""
        apps = self.apps()
        for app in apps:
            if app.name == name:
                return app
        there = ", ".join(app.name for app in apps) or "none"
        raise NotFound(f"There is no Flower app {name!r}. These are there: {there}.")

    def _looked_at(self, path: Path) -> tuple[str, FlowerApp]:
        tree = _tree(path, self.folder)
        revision = git_revision(path) if tree else ""
        there = self._installed.signature
        signature = f"{tree.signature} {revision} {there}" if tree else ""
        known = self._known.get(path.name)
        if known and known[0] == signature:
            return known
        return signature, _read(path, tree, revision, self._installed)


def discover(folder: Path) -> list[FlowerApp]:
    """All apps by name, read afresh. Raises SettingsError when the folder cannot be read."""
    return AppCatalogue(folder).apps()


def check(path: Path) -> FlowerApp:
    """Judge the app in this folder, wherever it lies. Raises NotFound when it is no folder."""
    path = Path(os.path.realpath(path))
    if not path.is_dir():
        raise NotFound(f"{path} is not a folder. Name the folder that holds pyproject.toml.")
    return read_app(path, path.parent, Installed(sys.path))  # as `flwr run` in the same terminal


def read_app(path: Path, folder: Path, installed: Installed | None = None) -> FlowerApp:
    """Judge one app. `folder` is the one it has to lie in."""
    tree = _tree(path, folder)
    return _read(path, tree, git_revision(path) if tree else "", installed or Installed())


def _tree(path: Path, folder: Path) -> AppTree | None:
    """All that lies in the app; None when it is a link to somewhere else."""
    if path.is_symlink() or os.path.realpath(path.parent) != os.path.realpath(folder):
        return None
    return AppTree(path)


def _read(path: Path, tree: AppTree | None, revision: str, installed: Installed) -> FlowerApp:
    app = FlowerApp(name=shown(path.name), path=path, title=path.name, revision=revision)
    if tree is None:
        away = (
            f"{path.name} is a link that leads out of the folder of Flower apps. Copy the app "
            "there instead."
        )
        return harmless(replace(app, findings=(Finding("error", away),)))
    findings = _name_findings(path.name)
    app = replace(app, readme=_readme(tree))
    try:
        project, more = read_project(tree)
    except InvalidInput as error:
        project, more = None, [Finding("error", str(error))]
    findings += more
    if project is None:
        findings += [one for one in tree_findings(tree) if one.level == "error"]
        return harmless(replace(app, findings=tuple(findings)))
    return harmless(_judged(app, AppCode(tree, installed), tree, project, findings))


def _judged(
    app: FlowerApp, code: AppCode, tree: AppTree, project: Project, findings: list[Finding]
) -> FlowerApp:
    api = guess_api(code, project.components)
    findings += tree_findings(tree)
    findings += component_findings(code, project.components)
    broken = any(finding.level == "error" for finding in findings)
    packed, reaches = Bundle(), _reaches(code, project.components)
    server, client = (reaches.get(name, Reach()) for name in ("serverapp", "clientapp"))
    if not broken:
        packed, content, last_word = bundle(tree, project.patterns)
        files = tuple(dict.fromkeys([*server.files, *client.files]))
        findings += [*last_word, *secret_findings(tree, content), *left_out(files, packed)]
        findings += server_findings(code, server, project.dependencies)
        findings += habit_findings(code, api, files)
    return replace(
        app,
        title=project.title or app.title,
        version=project.version,
        publisher=project.publisher,
        description=project.description,
        config=project.config,
        comments=project.comments,
        components=project.components,
        dependencies=project.dependencies,
        needs=site_needs(code, client, project.dependencies),
        frameworks=guess_frameworks(code),
        api=api,
        bundle_hash=packed.hash,
        bundle_size=packed.size,
        findings=tuple(findings),
    )


def _reaches(code: AppCode, components: Mapping[str, str]) -> dict[str, Reach]:
    """What each component loads; of one from an installed package, that package too."""
    found = {}
    for name, reference in components.items():
        try:
            found[name] = reach_of(code, code.file_of(reference))
        except InvalidInput:
            found[name] = Reach()  # component_findings has said so, or a package has it
        if code.installed_file(reference):
            top = reference.partition(":")[0].partition(".")[0]
            found[name].at_import[top] = "pyproject.toml"
    return found


def _readme(tree: AppTree) -> str:
    if not tree.is_file(_README):
        return ""
    try:
        text = tree.read(_README, _LARGEST_README).decode("utf-8", "replace")
    except InvalidInput:
        return ""
    return readme_html(text[:LONGEST_README])


def _name_findings(name: str) -> list[Finding]:
    if name.isprintable():
        return []
    return [
        Finding(
            "error",
            f"The folder {name!a} has characters in its name that cannot be shown. Rename it "
            "to letters, digits, hyphens and underscores.",
        )
    ]


def _app_folders(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise SettingsError(
            f"The folder of Flower apps, {folder}, cannot be read ({error.strerror}). Make it, or "
            "set BLOSSOMTUNE_FLOWER_APPS_DIR to another one."
        ) from error
    return [
        entry
        for entry in entries
        if (entry.is_dir() or (entry.is_symlink() and not entry.is_file()))
        and not entry.name.startswith(".")
        and entry.name not in _SKIPPED
    ]
