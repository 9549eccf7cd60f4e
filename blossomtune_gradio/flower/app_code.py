"""An app's Python, looked at and not run: do the components exist, which API and framework is it.

The rules for components are those of `flwr run`: the module lies in the app, and the name is
assigned somewhere in it (`app = ServerApp(…)`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.flower.app_facts import Api, Finding
from blossomtune_gradio.flower.app_tree import AppTree

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

    def __init__(self, tree: AppTree) -> None:
        self._tree = tree
        self._parsed: dict[str, ast.Module] = {}
        self._left = _LARGEST_ALL

    def module(self, name: str) -> ast.Module:
        """The module in the file of that name. Raises InvalidInput, a sentence."""
        if name not in self._parsed:
            self._parsed[name] = self._parse(name)
        return self._parsed[name]

    def modules(self) -> Iterator[tuple[str, ast.Module]]:
        """All that can be read, as far as the limit of bytes reaches."""
        for entry in self._tree.of("file"):
            if entry.name.endswith(".py"):
                try:
                    yield entry.name, self.module(entry.name)
                except InvalidInput:
                    continue  # not a component, so it may be anything

    def file_of(self, reference: str) -> str:
        """The file of the module in `module:attribute`. Raises InvalidInput."""
        module, _, attribute = reference.partition(":")
        names = module.split(".")
        if not attribute or not all(name.isidentifier() for name in names):
            raise InvalidInput(_HINT)
        base = "/".join(names)
        for file in (f"{base}/__init__.py", f"{base}.py"):
            if self._tree.is_file(file):
                return file
        raise InvalidInput(f"there is no {base}.py in the app.")

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
        try:
            _require(code, reference)
        except InvalidInput as error:
            findings.append(Finding("error", f"{name} = {reference!r}: {error}"))
    return findings


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
    attribute = reference.partition(":")[2].split(".")[0]
    if attribute not in set(_assigned(code.module(file))):
        raise InvalidInput(
            f"{file} does not assign {attribute}. Flower looks for a plain {attribute} = … in it."
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
