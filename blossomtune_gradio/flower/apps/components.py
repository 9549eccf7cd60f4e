"""The two components an app names: are they there, and what are they made with."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.flower.apps.code import LARGEST_MODULE, AppCode, imports_of
from blossomtune_gradio.flower.apps.facts import Api, Finding

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
            imported |= set(imports_of(code.module(code.file_of(reference))))
        except InvalidInput:
            continue  # component_findings has said so
    if imported & {"flwr.server", "flwr.client"}:
        return "legacy"
    return "message" if imported & {"flwr.serverapp", "flwr.clientapp"} else "unknown"


def guess_frameworks(code: AppCode) -> tuple[str, ...]:
    """What the modules import to learn with; NumPy only when there is nothing else."""
    used = {name.partition(".")[0] for _, tree in code.modules() for name in imports_of(tree)}
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
            return ast.parse(file.read(LARGEST_MODULE).decode("utf-8"), filename=place.name)
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
