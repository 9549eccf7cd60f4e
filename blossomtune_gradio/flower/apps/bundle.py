"""What of an app's folder travels to the sites: its files, links and size.

Flower packs a bundle (FAB) of at most 10 MB from code and texts, and silently leaves out links.
Its own packer has the last word, so that an app listed as runnable is one `flwr run` accepts. It
is handed what was read here, so it opens nothing itself. Surprise: patterns such as `*a*a*a*a*b`
in .gitignore keep it busy for hours, so their work is counted beforehand.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from flwr.cli.build import build_fab_from_files
from flwr.cli.utils import AppPathDepthError

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.flower.apps.facts import Finding, Level
from blossomtune_gradio.flower.apps.tree import AppTree, TreeEntry

_LARGEST_UNPACKED = 50 * 1024 * 1024  # bytes; Flower's limit is 10 MB packed, more is not read
_PACKED = (".py", ".toml", ".md", ".yaml", ".yml", ".json", ".jsonl")
_PACKED_NAMES = frozenset({"LICENSE", "LICENSE.md", ".gitignore"})
_IGNORE = ".gitignore"
_LARGEST_IGNORE = 64 * 1024  # bytes
_MOST_STARS = 4  # wildcards in one pattern
_MOST_WORK = 2e8  # steps of matching: about two seconds at the worst
_MOST_SAID = 5  # findings of one sort
_QUIET = (".gitignore", ".gitkeep", "LICENSE", ".env.example", ".editorconfig")


@dataclass(frozen=True)
class Bundle:
    """What a site gets. Hash and size are of the packed file, empty and 0 when there is none."""

    hash: str = ""
    size: int = 0
    names: frozenset[str] = frozenset()


Packed: TypeAlias = tuple[Bundle, dict[str, bytes], list[Finding]]


def travels(name: str) -> bool:
    """Whether Flower packs files of that name, .gitignore aside."""
    return name.endswith(_PACKED) or name in _PACKED_NAMES


def tree_findings(tree: AppTree) -> list[Finding]:
    """Links, special files, odd names, too many files, too many bytes, what stays behind."""
    findings = [Finding("error", fault) for fault in tree.faults]
    findings += _few([_link(tree, entry) for entry in tree.of("link")])
    findings += _few(
        [
            Finding(
                "error",
                f"{entry.name} is a pipe, socket or device, not a file. Remove it.",
            )
            for entry in tree.of("special")
        ]
    )
    findings += _few(list(_odd_names(tree.of("file"))))
    size = sum(entry.size for entry in tree.of("file") if travels(entry.name))
    if size > _LARGEST_UNPACKED:
        findings.append(_too_large(size))
    return [*findings, *_left_behind(tree)]


def bundle(tree: AppTree, patterns: Iterable[str]) -> Packed:
    """Pack it as Flower does; also what was read for that, and why there is no bundle.

    `patterns` are those of the app's own in pyproject.toml.
    """
    content: dict[str, bytes] = {}
    left = _LARGEST_UNPACKED
    try:
        for entry in tree.of("file"):
            content[entry.name] = tree.read(entry.name, left) if travels(entry.name) else b""
            left -= len(content[entry.name])
        _require_simple([*_ignored(content), *patterns], list(content))
        packed = build_fab_from_files(content)[0]
    except InvalidInput as error:
        return Bundle(), content, [Finding("error", str(error))]
    except AppPathDepthError as error:
        return Bundle(), content, [Finding("error", f"{error.path} lies too deep for Flower.")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = " ".join(str(error).split())
        return Bundle(), content, [Finding("error", f"Flower cannot bundle this app: {said}")]
    with zipfile.ZipFile(io.BytesIO(packed)) as files:
        names = frozenset(files.namelist())
    return Bundle(hashlib.sha256(packed).hexdigest(), len(packed), names), content, []


def left_out(files: Iterable[str], packed: Bundle) -> list[Finding]:
    """A finding for each file that the components load and the bundle does not have."""
    lost = [name for name in files if packed.hash and name not in packed.names]
    return _few(
        [
            Finding(
                "warning",
                f"{name} is needed and does not travel: .gitignore, fab-include, fab-exclude or a "
                "rule of Flower's (test_*.py, *_test.py, lib/, build/ …) leaves it out.",
            )
            for name in lost
        ]
    )


def _ignored(content: dict[str, bytes]) -> list[str]:
    text = content.get(_IGNORE, b"")
    if len(text) > _LARGEST_IGNORE:
        raise InvalidInput(".gitignore is larger than 64 KiB. Shorten it.")
    return text.decode("utf-8", "replace").splitlines()


def _require_simple(patterns: list[str], names: list[str]) -> None:
    """Matching takes len(name) ** stars / stars! steps at the worst."""
    work = 0.0
    for pattern in patterns:
        stars = pattern.replace("**/", "*").replace("**", "*").count("*")
        if stars > _MOST_STARS:
            raise InvalidInput(
                f"The pattern {pattern[:60]!r} has more than {_MOST_STARS} wildcards. Write it "
                "simpler; matching it would take too long."
            )
        work += sum(len(name) ** stars for name in names) / math.factorial(stars)
    if work > _MOST_WORK:
        raise InvalidInput(
            "The patterns of .gitignore, fab-include and fab-exclude would take too long with so "
            "many files. Use fewer of them."
        )


def _link(tree: AppTree, entry: TreeEntry) -> Finding:
    real = os.path.realpath(tree.root / entry.name)
    root = os.path.realpath(tree.root)
    if real != root and os.path.commonpath([real, root]) == root:
        return Finding("warning", f"{entry.name} is a link; Flower leaves it out of the bundle.")
    return Finding(
        "error", f"{entry.name} is a link that leads out of the app. Copy the file instead."
    )


def _odd_names(files: Iterable[TreeEntry]) -> Iterator[Finding]:
    for entry in files:
        if not entry.name.isprintable():
            level: Level = "error" if travels(entry.name) else "warning"
            yield Finding(
                level,
                f"{entry.name!a} has characters in its name that cannot be shown. Rename it.",
            )


def _left_behind(tree: AppTree) -> list[Finding]:
    names = [
        entry.name
        for entry in tree.of("file")
        if not travels(entry.name) and not entry.name.endswith(_QUIET)
    ]
    if not names:
        return []
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return [
        Finding(
            "note",
            f"Sites do not get {shown}: Flower bundles only code and texts (py, toml, md, yaml, "
            "json).",
        )
    ]


def _few(findings: list[Finding]) -> list[Finding]:
    """The first ones, and how many more there are."""
    more = len(findings) - _MOST_SAID
    if more <= 0:
        return findings
    worst: Level = "error" if any(one.level == "error" for one in findings) else "warning"
    kept = sorted(findings, key=lambda one: one.level)[:_MOST_SAID]
    return [*kept, Finding(worst, f"… and {more} more of this sort.")]


def _too_large(size: int) -> Finding:
    return Finding(
        "error",
        f"Its code and texts have {size / 1e6:.0f} MB; Flower's limit is 10 MB packed. Keep data "
        "and weights outside of the app.",
    )
