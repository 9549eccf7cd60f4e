"""An app's Python, looked at and not run: do the components exist, which API and framework is it.

The rules for components are those of `flwr run`: the module lies in the app or in an installed
package, and the name is assigned somewhere in it (`app = ServerApp(…)`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.flower.apps.facts import Api, Finding
from blossomtune_gradio.flower.apps.installed import Installed, hidden_by
from blossomtune_gradio.flower.apps.package_names import package_of
from blossomtune_gradio.flower.apps.tree import AppTree

_LARGEST = 1024 * 1024  # bytes of one module; more is generated or data
_LARGEST_ALL = 4 * 1024 * 1024  # bytes of all of them
_HINT = 'It must be "module:attribute", such as "my_app.server_app:app".'
_FRAMEWORKS = {  # top-level package: how it is called, the most telling first
    "torch": "PyTorch",
    "tensorflow": "TensorFlow",
    "keras": "Keras",
    "jax": "JAX",
    "flax": "Flax",
    "mlx": "MLX",
    "lightning": "Lightning",
    "pytorch_lightning": "Lightning",
    "transformers": "Transformers",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "catboost": "CatBoost",
    "sklearn": "scikit-learn",
}


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
        source = self._tree.read(name, min(_LARGEST, self._left))
        self._left -= len(source)
        try:
            return ast.parse(source.decode("utf-8"), filename=name)  # as Flower reads it
        except SyntaxError as error:
            raise InvalidInput(f"{name}, line {error.lineno}: {error.msg}.") from error
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{name} is not UTF-8. Save it in that encoding.") from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise InvalidInput(f"{name} is not Python that can be read ({error}).") from error


def component_findings(code: AppCode, components: Mapping[str, str]) -> list[Finding]:
    """What is wrong with the components."""
    findings = []
    for name, reference in components.items():
        place = code.installed_file(reference)
        try:
            if place is None:
                _require(code, reference)
            else:
                _require_assigned(str(place), _parsed_file(place), reference)
                findings.append(Finding("note", _from_a_package(reference)))
        except InvalidInput as error:
            findings.append(Finding("error", f"{name} = {reference!r}: {error}"))
    return list(dict.fromkeys(findings))  # both may come from the same package


def guess_api(code: AppCode, components: Mapping[str, str]) -> Api:
    """Which of Flower's two APIs the app is written for, by what its components import."""
    imported: set[str] = set()
    for reference in components.values():
        try:
            imported |= set(_imports(code.module(code.file_of(reference))))
        except InvalidInput:
            continue  # component_findings has said so
    if imported & {"flwr.server", "flwr.client"}:
        return "legacy"
    return "message" if imported & {"flwr.serverapp", "flwr.clientapp"} else "unknown"


def guess_frameworks(code: AppCode) -> tuple[str, ...]:
    """What the modules import to learn with; NumPy only when there is nothing else."""
    used = {name.partition(".")[0] for _, tree in code.modules() for name in _imports(tree)}
    found = tuple(dict.fromkeys(word for name, word in _FRAMEWORKS.items() if name in used))
    return found or (("NumPy",) if "numpy" in used else ())


def _require(code: AppCode, reference: str) -> None:
    file = code.file_of(reference)
    _require_assigned(file, code.module(file), reference)


def _require_assigned(file: str, tree: ast.Module, reference: str) -> None:
    attribute = reference.partition(":")[2].split(".")[0]
    if attribute not in set(_assigned(tree)):
        raise InvalidInput(
            f"{file} does not assign {attribute}. Flower looks for a plain {attribute} = … in it."
        )


def _parsed_file(place: Path) -> ast.Module:
    """A module of an installed package."""
    try:
        with place.open("rb") as file:
            return ast.parse(file.read(_LARGEST).decode("utf-8"), filename=place.name)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise InvalidInput(f"{place} cannot be read ({type(error).__name__}).") from error


def _from_a_package(reference: str) -> str:
    top = reference.partition(":")[0].partition(".")[0]
    return (
        f"{top} is taken from the package that is installed here, not from the bundle: each site "
        "needs it installed in the same version."
    )


def _assigned(tree: ast.Module) -> Iterator[str]:
    """Names that are assigned, and those that `__all__` promises."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id
                if target.id == "__all__" and isinstance(node.value, ast.List | ast.Tuple):
                    yield from (
                        one.value
                        for one in node.value.elts
                        if isinstance(one, ast.Constant) and isinstance(one.value, str)
                    )


def _imports(tree: ast.Module) -> Iterator[str]:
    """`flwr.server` for all of: import flwr.server.x, from flwr.server import y, flwr.server.z."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield ".".join(alias.name.split(".")[:2])
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield ".".join(node.module.split(".")[:2])
            if node.module == "flwr":
                yield from (f"flwr.{alias.name}" for alias in node.names)
