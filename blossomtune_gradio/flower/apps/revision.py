"""Which commit an app's folder was checked out from, read from git's own files.

No git is started: an app may bring a configuration that runs commands. Limit: whether files were
changed since then is not seen; the bundle's hash tells that.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}")
_BRANCH = re.compile(r"ref: (refs/[A-Za-z0-9_./-]{1,200})")
_MOST_PARENTS = 12
_LARGEST = 1024 * 1024  # bytes of packed-refs
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def git_revision(path: Path) -> str:
    """40 hex digits, or "" when the folder lies in no git checkout."""
    for folder in [path, *path.parents][:_MOST_PARENTS]:
        if git := _git_folder(folder / ".git"):
            return _head(git)
    return ""


def _git_folder(place: Path) -> Path | None:
    """The folder itself, or where a file `gitdir: …` of a second working tree points."""
    if place.is_symlink():
        return None
    if place.is_dir():
        return place
    said = _text(place)
    return place.parent / said[8:].strip() if said.startswith("gitdir: ") else None


def _head(git: Path) -> str:
    head = _text(git / "HEAD").strip()
    if _COMMIT.fullmatch(head):
        return head
    branch = _BRANCH.fullmatch(head)
    if not branch or ".." in branch[1]:
        return ""
    common = git / (_text(git / "commondir").strip() or ".")
    for place in (git, common):
        commit = _text(place / branch[1]).strip()
        if _COMMIT.fullmatch(commit):
            return commit
    for line in _text(common / "packed-refs").splitlines():
        commit, _, name = line.partition(" ")
        if name == branch[1] and _COMMIT.fullmatch(commit):
            return commit
    return ""


def _text(file: Path) -> str:
    """A regular file's text; "" for everything else."""
    try:
        with open(os.open(file, _FLAGS), "rb") as opened:  # noqa: PTH123 - flags
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                return ""
            return opened.read(_LARGEST).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
