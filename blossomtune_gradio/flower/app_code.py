"""An app's Python, looked at and not run: do the components exist, which API is it, which data.

The rules for components are those of `flwr run`: the module lies in the app, and the name is
assigned somewhere in it (`app = ServerApp(…)`).
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.flower.app_facts import Finding

_LARGEST = 1024 * 1024  # bytes of one module; more is generated or data
_MOST_MODULES = 500
_HINT = 'It must be "module:attribute", such as "my_app.server_app:app".'


def code_findings(path: Path, components: dict[str, str]) -> list[Finding]:
    """What is wrong with the components, and whether the app asks which partition is its own."""
    findings = []
    for name, reference in components.items():
        try:
            _require(path, reference)
        except InvalidInput as error:
            findings.append(Finding("error", f"{name} = {reference!r}: {error}"))
    if not findings and not _reads_partition(path):
        findings.append(
            Finding(
                "note",
                "It does not read partition-id, so each site must find its own data; otherwise "
                "all of them train on the same.",
            )
        )
    return findings


def guess_api(path: Path, components: dict[str, str]) -> Literal["message", "legacy", "unknown"]:
    """Which of Flower's two APIs the app is written for, by what its components import."""
    imported: set[str] = set()
    for reference in components.values():
        try:
            imported |= set(_imports(_parsed(_module_file(path, reference))))
        except InvalidInput:
            continue  # code_findings has said so
    if imported & {"flwr.server", "flwr.client"}:
        return "legacy"
    return "message" if imported & {"flwr.serverapp", "flwr.clientapp"} else "unknown"


def _require(path: Path, reference: str) -> None:
    file = _module_file(path, reference)
    tree = _parsed(file)
    attribute = reference.partition(":")[2].split(".")[0]
    if attribute not in set(_assigned(tree)):
        raise InvalidInput(
            f"{file.relative_to(path)} does not assign {attribute}. Flower looks for a plain "
            f"{attribute} = … in it."
        )


def _module_file(path: Path, reference: str) -> Path:
    module, _, attribute = reference.partition(":")
    names = module.split(".")
    if not attribute or not all(name.isidentifier() for name in names):
        raise InvalidInput(_HINT)
    base = path.joinpath(*names)
    for file in (base / "__init__.py", base.with_suffix(".py")):
        if file.is_file():
            return file
    raise InvalidInput(f"there is no {base.relative_to(path)}.py in the app.")


def _parsed(file: Path) -> ast.Module:
    try:
        if file.stat().st_size > _LARGEST:
            raise InvalidInput(f"{file.name} is larger than 1 MiB.")
        return ast.parse(file.read_bytes(), filename=file.name)
    except SyntaxError as error:
        raise InvalidInput(f"{file.name}, line {error.lineno}: {error.msg}.") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise InvalidInput(f"{file.name} is not Python that can be read ({error}).") from error
    except OSError as error:
        raise InvalidInput(f"{file.name} cannot be read ({error.strerror}).") from error


def _assigned(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id


def _imports(tree: ast.Module) -> Iterator[str]:
    """`flwr.server` for all of: import flwr.server.x, from flwr.server import y, flwr.server.z."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield ".".join(alias.name.split(".")[:2])
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield ".".join(node.module.split(".")[:2])
            if node.module == "flwr":
                yield from (f"flwr.{alias.name}" for alias in node.names)


def _reads_partition(path: Path) -> bool:
    for file in itertools.islice(path.rglob("*.py"), _MOST_MODULES):
        try:
            tree = _parsed(file)
        except InvalidInput:
            continue  # not a component, so it may be anything
        if any(isinstance(n, ast.Constant) and n.value == "partition-id" for n in ast.walk(tree)):
            return True
    return False
