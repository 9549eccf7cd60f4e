"""What of an app's folder travels to the sites: its files, links and size.

Flower packs a bundle (FAB) of at most 10 MB from code and texts, and silently leaves out links.
Its own packer has the last word, so that an app listed as runnable is one `flwr run` accepts; it
only reads files, it imports nothing.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from flwr.cli.build import build_fab_from_disk
from flwr.cli.utils import AppPathDepthError

from blossomtune_gradio.flower.app_facts import Finding

_LARGEST = 10 * 1024 * 1024  # bytes of one bundle, packed: Flower's limit
_LARGEST_UNPACKED = 5 * _LARGEST  # more is not even read
_PACKED = frozenset({".py", ".toml", ".md", ".yaml", ".yml", ".json", ".jsonl"})
_MOST_FILES = 5000


def folder_findings(path: Path, folder: Path) -> list[Finding]:
    """An error when the app's folder is a link to somewhere else."""
    if path.resolve().parent == folder.resolve():
        return []
    return [
        Finding(
            "error",
            f"{path.name} is a link that leads out of the folder of Flower apps. Copy the app "
            "there instead.",
        )
    ]


def bundle_findings(path: Path) -> list[Finding]:
    """Links, too many files, too many bytes."""
    findings: list[Finding] = []
    count, size = 0, 0
    for parent, folders, files in os.walk(path):
        folders[:] = [name for name in folders if name != ".git"]
        for entry in (Path(parent, name) for name in (*folders, *files)):
            count += 1
            if entry.is_symlink():
                findings.append(_link(entry, path))
            elif entry.suffix in _PACKED and entry.is_file():
                size += entry.stat().st_size
        if count > _MOST_FILES:
            break
    if count > _MOST_FILES:
        findings.append(
            Finding(
                "error",
                f"There are more than {_MOST_FILES} files in this folder. Keep data and virtual "
                "environments outside of it.",
            )
        )
    if size > _LARGEST_UNPACKED:
        findings.append(_too_large(size))
    return findings


def bundle_hash(path: Path) -> tuple[str, list[Finding]]:
    """SHA-256 of the bundle Flower makes of this folder, or the reason why it makes none."""
    try:
        bundle = build_fab_from_disk(path)
    except AppPathDepthError as error:
        return "", [Finding("error", f"{error.path} lies too deep in folders for Flower.")]
    except (ValueError, KeyError, TypeError, OSError) as error:
        return "", [
            Finding("error", f"Flower cannot bundle this app: {' '.join(str(error).split())}")
        ]
    return hashlib.sha256(bundle).hexdigest(), []


def _link(entry: Path, path: Path) -> Finding:
    name = entry.relative_to(path)
    if entry.resolve().is_relative_to(path.resolve()):
        return Finding("warning", f"{name} is a link; Flower leaves it out of the bundle.")
    return Finding("error", f"{name} is a link that leads out of the app. Copy the file instead.")


def _too_large(size: int) -> Finding:
    return Finding(
        "error",
        f"Its code and texts have {size / 1e6:.0f} MB; Flower's limit is 10 MB packed. Keep data "
        "and weights outside of the app.",
    )
