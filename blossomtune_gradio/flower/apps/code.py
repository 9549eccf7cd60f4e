"""An app's Python, looked at and not run: do the components exist, which API and framework is it.

The rules for components are those of `flwr run`: the module lies in the app or in an installed
package, and the name is assigned somewhere in it (`app = ServerApp(…)`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.flower.apps.installed import Installed, hidden_by
from blossomtune_gradio.flower.apps.package_names import package_of
from blossomtune_gradio.flower.apps.tree import AppTree

LARGEST_MODULE = 1024 * 1024  # bytes of one module; more is generated or data
_LARGEST_ALL = 4 * 1024 * 1024  # bytes of all of them
_HINT = 'It must be "module:attribute", such as "my_app.server_app:app".'


class AppCode:
    """The syntax trees of an app's modules, each read and parsed at most once."""

    def __init__(self, tree: AppTree, installed: Installed | None = None) -> None:
        self._tree, self._installed = tree, installed or Installed()
        self._parsed: dict[str, ast.Module | str] = {}  # or why it cannot be
        self._left = _LARGEST_ALL

    def module(self, name: str) -> ast.Module:
        """The module in the file of that name. Raises InvalidInput, a sentence."""
        if name not in self._parsed:
            try:
                self._parsed[name] = self._parse(name)
            except InvalidInput as error:
                self._parsed[name] = str(error)
        parsed = self._parsed[name]
        if isinstance(parsed, str):
            raise InvalidInput(parsed)
        return parsed

    def module_or_none(self, name: str) -> ast.Module | None:
        """The same; None when it cannot be read."""
        try:
            return self.module(name)
        except InvalidInput:
            return None

    def modules(self) -> Iterator[tuple[str, ast.Module]]:
        """All that can be read, as far as the limit of bytes reaches."""
        for entry in self._tree.of("file"):
            if entry.name.endswith(".py"):
                tree = self.module_or_none(entry.name)
                if tree is not None:  # else it may be anything, it is no component
                    yield entry.name, tree

    def file_of(self, reference: str) -> str:
        """The app's own file with the module of `module:attribute`.

        Raises InvalidInput, also when an installed package has it (see `installed_file`).
        """
        parts = self._parts(reference)
        if not self._is_another_package(parts[0]) and (found := self._file("/".join(parts))):
            if why := hidden_by(parts[0]):
                raise InvalidInput(
                    f"{parts[0]} is also {why}, so Flower looks there. Rename that folder."
                )
            return found
        place = self._installed.module(".".join(parts))
        own = place and place.is_relative_to(self._tree.root)
        if place and own and self._tree.is_file(name := str(place.relative_to(self._tree.root))):
            return name
        raise InvalidInput(self._not_found(parts))

    def installed_file(self, reference: str) -> Path | None:
        """Where an installed package has the module of a component, if it is none of the bundle.

        That may lie in the app's own folder: in `src`, after `pip install -e .`.
        """
        try:
            parts = self._parts(reference)
        except InvalidInput:
            return None
        if self._file("/".join(parts)) and not self._is_another_package(parts[0]):
            return None
        return self._installed.module(".".join(parts))

    def files_of(self, name: str) -> Iterator[str]:
        """The app's own files that an import of `a.b.c` loads: a/__init__.py, a/b/__init__.py …"""
        parts = name.split(".")
        for root in ("", "src/"):
            for depth in range(1, len(parts) + 1):
                if found := self._file(root + "/".join(parts[:depth])):
                    yield found

    def has_top(self, top: str) -> bool:
        """Whether the app itself has a top-level module or folder of that name."""
        names = self._tree.entries
        return any(f"{root}{top}{end}" in names for root in ("", "src/") for end in ("", ".py"))

    def missing_here(self, top: str) -> bool:
        """Whether a module from elsewhere cannot be imported on this server."""
        return not self._installed.has(top)

    def package_of(self, module: str, dependencies: Sequence[str]) -> tuple[str, str]:
        """Name of the package that has it, and what to give to pip: with the app's version."""
        return package_of(module, dependencies, self._installed.packages_of)

    def _parts(self, reference: str) -> list[str]:
        module, _, attribute = reference.partition(":")
        parts = module.split(".")
        if not attribute or not all(parts) or any("/" in part for part in parts):
            raise InvalidInput(_HINT)
        return parts

    def _file(self, base: str) -> str:
        found = (file for file in (f"{base}/__init__.py", f"{base}.py") if self._tree.is_file(file))
        return next(found, "")

    def _is_another_package(self, top: str) -> bool:
        """Python prefers a package with __init__.py, wherever it is, to a folder without."""
        return not self._file(top) and self._installed.has_regular(top)

    def _not_found(self, parts: list[str]) -> str:
        base, top = "/".join(parts), parts[0]
        if self._file(f"src/{base}"):
            return (
                f"{top} lies in src/, and Flower looks beside pyproject.toml and in installed "
                f"packages. Move src/{top} there, or install the app here and at each site: "
                "pip install -e ."
            )
        return f"there is no {base}.py in the app."

    def _parse(self, name: str) -> ast.Module:
        source = self._tree.read(name, min(LARGEST_MODULE, self._left))
        self._left -= len(source)
        try:
            return ast.parse(source.decode("utf-8"), filename=name)  # as Flower reads it
        except SyntaxError as error:
            raise InvalidInput(f"{name}, line {error.lineno}: {error.msg}.") from error
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{name} is not UTF-8. Save it in that encoding.") from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise InvalidInput(f"{name} is not Python that can be read ({error}).") from error


def imports_of(tree: ast.Module) -> Iterator[str]:
    """`flwr.server` for all of: import flwr.server.x, from flwr.server import y, flwr.server.z."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield ".".join(alias.name.split(".")[:2])
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield ".".join(node.module.split(".")[:2])
            if node.module == "flwr":
                yield from (f"flwr.{alias.name}" for alias in node.names)
