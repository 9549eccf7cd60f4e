"""Passwords and keys that were left in an app's files: everything in an app travels to all sites.

Only shapes that are hardly ever anything else are looked for. What was found is never repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.flower.apps.facts import Finding
from blossomtune_gradio.flower.apps.tree import AppTree

_SHAPES = (
    ("a private key", re.compile(rb"-----BEGIN (?:[A-Z]{2,12} )?PRIVATE KEY-----")),
    ("a Hugging Face token", re.compile(rb"\bhf_[A-Za-z0-9]{34,40}\b")),
    (
        "a GitHub token",
        re.compile(rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{60,90})\b"),
    ),
    ("an AWS access key", re.compile(rb"\b(?:AKIA|ASIA)(?!\w{9}EXAMPLE)[0-9A-Z]{16}\b")),
    ("a Google API key", re.compile(rb"\bAIza[0-9A-Za-z_-]{35}")),
    ("a Slack token", re.compile(rb"\bxox[abprs]-[0-9A-Za-z-]{20,80}")),
)
_PRIVATE_NAMES = frozenset({".env", ".netrc", ".pypirc", "id_rsa", "id_ecdsa", "id_ed25519"})
_KEY_FILES = (".pem", ".key")
_LONGEST = 1024 * 1024  # bytes of a file that are looked at
_LARGEST_KEY = 64 * 1024  # bytes
_MOST = 5  # findings


def secret_findings(tree: AppTree, content: Mapping[str, bytes]) -> list[Finding]:
    """Errors for what travels, warnings for what merely lies there. `content` is what travels."""
    travelling = [
        Finding(
            "error",
            f"{name}, line {line}, looks like {what}; every site would get it. Take it out, make "
            "it invalid where it came from, and let sites keep secrets of their own.",
        )
        for name, data in content.items()
        for what, line in _found(data[:_LONGEST])
    ]
    lying = [
        Finding("warning", f"{name} looks like a secret. It does not travel; keep it elsewhere.")
        for name in _private_files(tree)
    ]
    return [*travelling[:_MOST], *lying[:_MOST]]


def _found(data: bytes) -> Iterator[tuple[str, int]]:
    for what, shape in _SHAPES:
        if found := shape.search(data):
            yield what, data.count(b"\n", 0, found.start()) + 1


def _private_files(tree: AppTree) -> Iterator[str]:
    for entry in tree.of("file"):
        last = entry.name.rpartition("/")[2]
        if last in _PRIVATE_NAMES:
            yield entry.name
        elif last.endswith(_KEY_FILES) and entry.size <= _LARGEST_KEY:
            try:
                data = tree.read(entry.name, _LARGEST_KEY)
            except InvalidInput:
                continue  # not readable for us, so nobody else gets it from us
            if any(_found(data)):
                yield entry.name
