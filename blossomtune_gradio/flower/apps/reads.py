"""What an app's code asks for: keys of a site, settings of the run, packages; by its syntax.

So a `KeyError: 'dataset-path'` can be told apart: a key that each site was to have, a setting that
the app forgot, or a column of somebody's table. Limit: only names that stand in the code as texts,
of `context.node_config` and `context.run_config` or a name given to one of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from blossomtune_gradio.flower.apps.code import AppCode
from blossomtune_gradio.flower.apps.facts import FlowerApp
from blossomtune_gradio.flower.apps.needs import node_keys
from blossomtune_gradio.flower.apps.tree import AppTree


@dataclass(frozen=True)
class AppReads:
    """What one app asks for."""

    node_keys: frozenset[str] = frozenset()
    """Of `[node_config]` at each site, where a missing one raises."""
    run_keys: frozenset[str] = frozenset()
    """Of the run's configuration, likewise."""
    settings: frozenset[str] = frozenset()
    """The settings it has."""
    modules: frozenset[str] = frozenset()
    """Its own top-level modules."""
    dependencies: tuple[str, ...] = ()
    """As its pyproject.toml has them: `scikit-learn>=1.5`."""


NOTHING_KNOWN = AppReads()


def app_reads(app: FlowerApp) -> AppReads:
    """What this app's folder tells now. Never raises."""
    tree = AppTree(app.path)
    code = AppCode(tree)
    files = [entry.name for entry in tree.of("file") if entry.name.endswith(".py")]
    return AppReads(
        frozenset(node_keys(code, files)[0]),
        frozenset(key for file in files for key in _run_keys(code.module_or_none(file))),
        frozenset(app.config),
        frozenset(_own_modules(files)),
        app.dependencies,
    )


def _run_keys(tree: ast.Module | None) -> Iterator[str]:
    """`context.run_config["key"]`, also by a name given to it."""
    if tree is None:
        return
    names = {"run_config"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _is_run_config(node.value, set()):
            names |= {one.id for one in node.targets if isinstance(one, ast.Name)}
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=value, slice=ast.Constant(value=str(key))) if _is_run_config(
                value, names
            ):
                yield key


def _is_run_config(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "run_config"
    return isinstance(node, ast.Name) and node.id in names


def _own_modules(files: Iterable[str]) -> Iterator[str]:
    for file in files:
        parts = file.removesuffix(".py").split("/")
        yield parts[0]
        if parts[0] == "src" and len(parts) > 1:
            yield parts[1]
