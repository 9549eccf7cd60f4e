"""Which files of an app a component loads, what those import from elsewhere, and when.

Code that nobody imports is nobody's trouble, and a package is only missed where it is imported
without a way around. Limit: an import by a name that is made up while it runs is not seen.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.flower.apps.code import AppCode

_MOST = 500  # files
_CATCHERS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


@dataclass(frozen=True)
class Import:
    """One import statement: the dotted name, and how it comes to be done."""

    name: str
    line: int
    at_import: bool
    """While the module is imported, not within a function."""
    guarded: bool
    """Within a try that bears its failure, or only for type checkers."""


@dataclass
class Reach:
    """What a component loads: its files, and top-level modules from elsewhere → where."""

    files: list[str] = field(default_factory=list)
    at_import: dict[str, str] = field(default_factory=dict)
    """Without these it cannot even start."""
    later: dict[str, str] = field(default_factory=dict)
    """Imported within functions."""

    @property
    def modules(self) -> set[str]:
        """All top-level modules from elsewhere that it will want."""
        return {*self.at_import, *self.later}


def reach_of(code: AppCode, file: str) -> Reach:
    """Follow all imports from that file on."""
    reach, waiting = Reach(), [(file, True)]
    seen: set[tuple[str, bool]] = set()
    while waiting and len(seen) < _MOST:
        name, at_import = waiting.pop()
        if (name, at_import) in seen or (name, True) in seen:
            continue
        seen.add((name, at_import))
        if name not in reach.files:
            reach.files.append(name)
        try:
            tree = code.module(name)
        except InvalidInput:
            continue
        for one in imports(tree, _package(name)):
            own = list(code.files_of(one.name))
            eagerly = at_import and one.at_import
            if own:
                waiting += [(found, eagerly) for found in own]
            elif not one.guarded:
                top = one.name.partition(".")[0]
                if top and top not in sys.stdlib_module_names and not code.has_top(top):
                    place = reach.at_import if eagerly else reach.later
                    place.setdefault(top, f"{name}, line {one.line}")
    return reach


def imports(tree: ast.Module, package: tuple[str, ...] = ()) -> Iterator[Import]:
    """All of a module; relative ones are resolved against `package`."""
    waiting: list[tuple[ast.AST, bool, bool]] = [(tree, True, False)]
    while waiting:
        node, at_import, guarded = waiting.pop()
        for name in _named(node, package):
            yield Import(name, getattr(node, "lineno", 0), at_import, guarded)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            at_import = False
        for child in ast.iter_child_nodes(node):
            waiting.append((child, at_import, guarded or _guards(node, child)))


def _named(node: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _base(node, package)
        if base:
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
        elif node.level:
            yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        called = node.func.id if isinstance(node.func, ast.Name) else called
        name = node.args[0].value
        if called in ("import_module", "__import__") and isinstance(name, str) and name[:1] != ".":
            yield name


def _base(node: ast.ImportFrom, package: tuple[str, ...]) -> str:
    if not node.level:
        return node.module or ""
    above = package[: len(package) - node.level + 1] if node.level > 1 else package
    return ".".join([*above, *([node.module] if node.module else [])])


def _guards(node: ast.AST, child: ast.AST) -> bool:
    if isinstance(node, ast.Try):
        return child in node.body and any(map(_catches, node.handlers))
    if isinstance(node, ast.If) and child in node.body:
        names = {one.id for one in ast.walk(node.test) if isinstance(one, ast.Name)}
        names |= {one.attr for one in ast.walk(node.test) if isinstance(one, ast.Attribute)}
        return "TYPE_CHECKING" in names or "__name__" in names
    return False


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in _CATCHERS for kind in kinds)


def _package(file: str) -> tuple[str, ...]:
    return tuple(file.split("/")[:-1])
