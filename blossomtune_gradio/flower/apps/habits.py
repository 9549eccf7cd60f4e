"""Habits of an app's code that go wrong in a federation, seen in its syntax.

None of them keeps an app from running: each is a warning or a note with a way to do it better.
Only files that the components load are looked at, and a warning is for what really goes wrong.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blossomtune_gradio.flower.apps.code import AppCode
from blossomtune_gradio.flower.apps.facts import Api, Finding
from blossomtune_gradio.flower.apps.needs import reads_node_config

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
_UNPICKLERS = ("pickle.loads", "dill.loads", "cloudpickle.loads")  # of bytes from elsewhere
_COMMON_DATA = (  # the same for whoever asks
    *("datasets.load_dataset", "flwr_datasets.FederatedDataset", "torchvision.datasets."),
    *("sklearn.datasets.fetch_", "sklearn.datasets.load_", "keras.datasets.", "medmnist."),
    *("tensorflow.keras.datasets.", "tensorflow_datasets.load"),
)


@dataclass(frozen=True)
class _Call:
    """A call with the full name of what is called, aliases resolved."""

    file: str
    node: ast.Call
    name: str


def habit_findings(code: AppCode, api: Api, files: Sequence[str]) -> list[Finding]:
    """Warnings and notes about the code in `files`, those that the components load."""
    findings: list[Finding] = []
    if api == "legacy":
        findings.append(
            Finding(
                "note",
                "It uses Flower's older API (flwr.server, flwr.client). It runs; new apps should "
                "use the Message API (flwr.serverapp, flwr.clientapp).",
            )
        )
    modules = [(file, tree) for file in files if (tree := code.module_or_none(file)) is not None]
    calls: list[_Call] = []
    for file, tree in modules:
        aliases = _aliases(tree)
        here = [_Call(file, node, _name(node.func, aliases)) for node in _calls(tree)]
        calls += here
        findings += [_default(call) for call in here if _has_default(call)][:_MOST]
        findings += [_unpickled(call) for call in here if _unpickles(call)][:_MOST]
        at_import = [_Call(file, node, _name(node.func, aliases)) for node in _at_import(tree)]
        findings += [_outward(call) for call in at_import if _goes_out(call)][:_MOST]
    parted = reads_node_config(code, files) or any(_mentions(t, "partition-id") for _, t in modules)
    if modules and not parted:
        findings.append(_not_parted(next((c for c in calls if _is_common(c)), None)))
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
        return _given(call.node, "weights_only", False)
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


def _is_common(call: _Call) -> bool:
    return call.name.startswith(_COMMON_DATA)


def _not_parted(common: _Call | None) -> Finding:
    if common is None:
        return Finding("note", "It asks nothing of a site's node_config, so each has its own data.")
    return Finding(
        "warning",
        f"{_where(common)} takes data that is the same for all, and nothing reads partition-id: "
        'all sites train on the same. Take the part that context.node_config["partition-id"] says.',
    )


def _default(call: _Call) -> Finding:
    key = call.node.args[0].value  # type: ignore[attr-defined]
    return Finding(
        "note",
        f"{_where(call)} takes a default when a site has no {key}. Sites that join here have one; "
        f'node_config["{key}"] would fail where it is missing.',
    )


def _unpickled(call: _Call) -> Finding:
    way = (
        "leave weights_only as it is"
        if call.name == "torch.load"
        else "send arrays, as in an ArrayRecord"
    )
    return Finding(
        "warning",
        f"{_where(call)} calls {call.name}, which runs whatever code is in what it reads; {way}.",
    )


def _outward(call: _Call) -> Finding:
    return Finding(
        "warning",
        f"{_where(call)} calls {call.name.lstrip('.')} while the module is imported: it happens "
        "on each site and for each message. Move it into a function.",
    )


def _where(call: _Call) -> str:
    return f"{call.file}, line {call.node.lineno},"
