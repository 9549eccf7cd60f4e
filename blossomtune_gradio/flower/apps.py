"""The Flower apps in a folder, found and judged without running a line of them.

Each sub-folder is an app. What is wrong with it becomes findings, sentences for the researcher;
a broken app is listed with them, never hidden, never fatal. An app is runnable when none of its
findings is an error. `bundle_hash` is what Flower will call the app in its runs.
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from blossomtune_gradio.errors import NotFound, SettingsError
from blossomtune_gradio.flower.app_bundle import bundle_findings, bundle_hash, folder_findings
from blossomtune_gradio.flower.app_code import code_findings, guess_api
from blossomtune_gradio.flower.app_config import (
    form_value,
    parse_config_text,
    typed_value,
    validated_config,
    write_run_config,
)
from blossomtune_gradio.flower.app_facts import ConfigField, ConfigValue, Finding, FlowerApp
from blossomtune_gradio.flower.app_project import Project, read_project

__all__ = [
    "AppCatalogue",
    "ConfigField",
    "ConfigValue",
    "Finding",
    "FlowerApp",
    "discover",
    "form_value",
    "parse_config_text",
    "typed_value",
    "validated_config",
    "write_run_config",
]

_Signature: TypeAlias = tuple[tuple[str, int, int], ...]
_SKIPPED = frozenset({"__pycache__", "node_modules"})
_MOST_FILES = 5000  # in one app; more is a data folder or an environment in the wrong place


class AppCatalogue:
    """The apps of one folder. Looks again at each call, reads only what changed. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = Lock()
        self._known: dict[str, tuple[_Signature, FlowerApp]] = {}

    def apps(self) -> list[FlowerApp]:
        """All apps by name. Raises SettingsError when the folder cannot be read."""
        with self._lock:
            known, self._known = self._known, {}
            for path in _app_folders(self.folder):
                signature = _signature(path)
                old = known.get(path.name)
                fresh = old is None or old[0] != signature
                app = read_app(path, self.folder) if fresh or old is None else old[1]
                self._known[path.name] = (signature, app)
            return [app for _, app in self._known.values()]

    def get(self, name: str) -> FlowerApp:
        """The app in the folder of that name, runnable or not. Raises NotFound."""
        apps = self.apps()
        for app in apps:
            if app.name == name:
                return app
        there = ", ".join(app.name for app in apps) or "none"
        raise NotFound(f"There is no Flower app {name!r}. These are there: {there}.")


def discover(folder: Path) -> list[FlowerApp]:
    """All apps by name, read afresh. Raises SettingsError when the folder cannot be read."""
    return AppCatalogue(folder).apps()


def read_app(path: Path, folder: Path) -> FlowerApp:
    """Judge one app. `folder` is the one it has to lie in."""
    findings = folder_findings(path, folder)
    if findings:
        return FlowerApp(name=path.name, path=path, title=path.name, findings=tuple(findings))
    project, findings = read_project(path)
    if project is None:
        return FlowerApp(name=path.name, path=path, title=path.name, findings=tuple(findings))
    findings += bundle_findings(path)
    findings += code_findings(path, project.components)
    digest = ""
    if not any(finding.level == "error" for finding in findings):
        digest, last_word = bundle_hash(path)
        findings += last_word
    return _app(path, project, digest, findings)


def _app(path: Path, project: Project, digest: str, findings: list[Finding]) -> FlowerApp:
    return FlowerApp(
        name=path.name,
        path=path,
        title=project.title or path.name,
        version=project.version,
        description=project.description,
        config=project.config,
        comments=project.comments,
        components=project.components,
        api=guess_api(path, project.components),
        bundle_hash=digest,
        findings=tuple(findings),
    )


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
        if entry.is_dir() and not entry.name.startswith(".") and entry.name not in _SKIPPED
    ]


def _signature(path: Path) -> _Signature:
    """Changes whenever a file of the app changes, comes or goes."""
    seen: list[tuple[str, int, int]] = []
    for parent, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and name[0] != ".")
        for name in (*files, *folders):
            entry = Path(parent, name)
            try:
                status = entry.lstat()
            except FileNotFoundError:
                continue  # gone this moment; the next look sees it
            seen.append((str(entry), status.st_mtime_ns, status.st_size))
        if len(seen) > _MOST_FILES:
            break
    return tuple(sorted(seen))
