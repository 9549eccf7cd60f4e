"""What an app asks of a machine: packages that its code imports, keys of `[node_config]`.

Told by the code, so that a package only the server uses is not missed at a site, and a key that is
asked for with a way around is not called missing. Limit: keys that are made up at run time.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from blossomtune_gradio.flower.apps.code import AppCode
from blossomtune_gradio.flower.apps.facts import Finding, SiteNeeds
from blossomtune_gradio.flower.apps.reach import Reach

_GIVEN = ("partition-id", "num-partitions")  # every site is told these
_FLOWER = ("flwr",)
_MOST = 64  # packages, and keys


def site_needs(code: AppCode, client: Reach, dependencies: tuple[str, ...]) -> SiteNeeds:
    """What each site must have for the ClientApp."""
    modules = sorted(client.modules - set(_FLOWER))[:_MOST]
    packages = {module: code.package_of(module, dependencies) for module in modules}
    keys, optional = node_keys(code, client.files)
    return SiteNeeds(
        modules={module: name for module, (name, _) in packages.items()},
        install=tuple(dict.fromkeys(line for _, line in packages.values())),
        keys=tuple(sorted(keys - optional - set(_GIVEN)))[:_MOST],
    )


def node_keys(code: AppCode, files: Iterable[str]) -> tuple[set[str], set[str]]:
    """Keys of node_config that are read, and those of them that may be absent."""
    needed, optional = set[str](), set[str]()
    for file in files:
        tree = code.module_or_none(file)
        if tree is not None:
            for key, may_lack in _reads(tree):
                (optional if may_lack else needed).add(key)
    return needed | optional, optional


def reads_node_config(code: AppCode, files: Iterable[str]) -> bool:
    """Whether it looks at node_config at all, by whatever name of a key."""
    trees = (code.module_or_none(file) for file in files)
    return any(
        isinstance(node, ast.Attribute) and node.attr == "node_config"
        for tree in trees
        if tree is not None
        for node in ast.walk(tree)
    )


def server_findings(code: AppCode, server: Reach, dependencies: tuple[str, ...]) -> list[Finding]:
    """Packages without which the ServerApp cannot start here. Nothing is installed by a run."""
    return [
        Finding(
            "warning",
            f"{where}, imports {module} on the server, and it is not installed here: the run will "
            f'fail. Run: pip install "{code.package_of(module, dependencies)[1]}"',
        )
        for module, where in sorted(server.at_import.items())
        if code.missing_here(module)
    ]


def _reads(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """(key, whether it may be absent) of each look at node_config."""
    names, texts = _names(tree), _texts(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=value, slice=key, ctx=ast.Load()) if _is_config(value, names):
                yield from ((text, False) for text in _text(key, texts))
            case ast.Call(func=ast.Attribute(value=value, attr="get" | "pop"), args=[key, *_]) if (
                _is_config(value, names)
            ):
                yield from ((text, True) for text in _text(key, texts))
            case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()], comparators=[value]) if (
                _is_config(value, names)
            ):
                yield from ((text, True) for text in _text(key, texts))


def _names(tree: ast.Module) -> set[str]:
    """Names that stand for node_config: `config = context.node_config`, an argument."""
    found = {"node_config"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _is_config(node.value, set()):
            found |= {one.id for one in node.targets if isinstance(one, ast.Name)}
    return found


def _texts(tree: ast.Module) -> dict[str, str]:
    """Texts that have a name: KEY = "dataset-path"."""
    return {
        target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _is_config(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return len(node.args) == 1 and _is_config(node.args[0], names)
    if isinstance(node, ast.Attribute):
        return node.attr == "node_config"
    return isinstance(node, ast.Name) and node.id in names


def _text(node: ast.expr, texts: dict[str, str]) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name) and node.id in texts:
        yield texts[node.id]
