"""Habits of an app's code that go wrong in a federation, seen in its syntax.

None of them keeps an app from running: each is a warning or a note with a way to do it better.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from blossomtune_gradio.flower.app_code import AppCode
from blossomtune_gradio.flower.app_facts import Api, Finding

_MOST = 3  # findings of one sort
_NODE_KEYS = ("partition-id", "num-partitions")
_OUTWARD = (  # whatever begins so talks to the network or starts programs
    *("subprocess.", "socket.", "urllib.request.", "http.client.", "ftplib.", "smtplib."),
    *("requests.", "httpx.", "aiohttp.", "multiprocessing.Process", "multiprocessing.Pool"),
    *("os.system", "os.popen", "os.fork", "os.exec", "os.spawn", "os.posix_spawn", "pty.spawn"),
    *("datasets.load_dataset", "huggingface_hub.", "nltk.download", "torch.hub."),
    *("torchvision.datasets.", "sklearn.datasets.fetch_", "keras.datasets."),
)
_DOWNLOADS = (".from_pretrained",)  # methods with that name
_UNPICKLERS = ("pickle.load", "dill.load", "cloudpickle.load", "joblib.load")


@dataclass(frozen=True)
class _Call:
    """A call with the full name of what is called, aliases resolved."""

    file: str
    node: ast.Call
    name: str


def habit_findings(code: AppCode, api: Api) -> list[Finding]:
    """Warnings and notes about the code."""
    findings: list[Finding] = []
    if api == "legacy":
        findings.append(
            Finding(
                "note",
                "It uses Flower's older API (flwr.server, flwr.client). It runs; new apps should "
                "use the Message API (flwr.serverapp, flwr.clientapp).",
            )
        )
    modules = list(code.modules())
    if not any(_mentions(tree, "partition-id") for _, tree in modules):
        findings.append(
            Finding(
                "warning",
                "It does not read partition-id, so each site must find its own data; otherwise "
                'all of them train on the same. Use context.node_config["partition-id"].',
            )
        )
    for file, tree in modules:
        aliases = _aliases(tree)
        calls = [_Call(file, node, _name(node.func, aliases)) for node in _calls(tree)]
        findings += [_default(call) for call in calls if _has_default(call)][:_MOST]
        findings += [_unpickled(call) for call in calls if _unpickles(call)][:_MOST]
        at_import = [_Call(file, node, _name(node.func, aliases)) for node in _at_import(tree)]
        findings += [_outward(call) for call in at_import if _goes_out(call)][:_MOST]
    return findings


def _mentions(tree: ast.Module, text: str) -> bool:
    return any(isinstance(node, ast.Constant) and node.value == text for node in ast.walk(tree))


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _at_import(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls outside of functions and of `if __name__ == "__main__"`."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [*node.decorator_list, *node.args.defaults]
        elif not isinstance(node, ast.Lambda) and not _is_main(node):
            waiting += ast.iter_child_nodes(node)


def _is_main(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and any(
        isinstance(inner, ast.Name) and inner.id == "__name__" for inner in ast.walk(node.test)
    )


def _aliases(tree: ast.Module) -> dict[str, str]:
    """Local name → full name, for `import a.b as c`, `from a import b`."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {one.asname: one.name for one in node.names if one.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return found


def _name(node: ast.expr, aliases: dict[str, str]) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    first = aliases.get(node.id, node.id) if isinstance(node, ast.Name) else ""
    return ".".join([first, *reversed(parts)])


def _goes_out(call: _Call) -> bool:
    return call.name.startswith(_OUTWARD) or call.name.endswith(_DOWNLOADS)


def _unpickles(call: _Call) -> bool:
    if call.name == "torch.load":
        return not _given(call.node, "weights_only", True)
    if call.name == "numpy.load":
        return _given(call.node, "allow_pickle", True)
    return call.name.startswith(_UNPICKLERS)


def _given(node: ast.Call, name: str, value: object) -> bool:
    return any(
        word.arg == name and isinstance(word.value, ast.Constant) and word.value.value is value
        for word in node.keywords
    )


def _has_default(call: _Call) -> bool:
    arguments = call.node.args
    return (
        call.name.endswith("node_config.get")
        and len(arguments) == 2
        and isinstance(arguments[0], ast.Constant)
        and arguments[0].value in _NODE_KEYS
    )


def _default(call: _Call) -> Finding:
    key = call.node.args[0].value  # type: ignore[attr-defined]
    return Finding(
        "warning",
        f"{_where(call)} takes a default when a site has no {key}: such sites would all train on "
        f'the same data. Write node_config["{key}"], so that it fails instead.',
    )


def _unpickled(call: _Call) -> Finding:
    way = (
        "pass weights_only=True"
        if call.name == "torch.load"
        else "keep arrays in .npz or .safetensors"
    )
    return Finding(
        "warning",
        f"{_where(call)} calls {call.name}, which runs whatever code is in the file; {way}.",
    )


def _outward(call: _Call) -> Finding:
    return Finding(
        "warning",
        f"{_where(call)} calls {call.name.lstrip('.')} while the module is imported: it happens "
        "on each site and for each message. Move it into a function.",
    )


def _where(call: _Call) -> str:
    return f"{call.file}, line {call.node.lineno},"
