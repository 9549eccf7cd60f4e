"""The data directory is for our own user alone: mended at each start, looked at by `doctor`.

What is new is made so by the umask of `blossomtune`; what an older version or another program left
open is closed here. Limit: POSIX rights only. Surprise: only what carries a name of ours is touched
and links are not followed, as an operator may have named a folder that holds other things too.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import make_url

from blossomtune_gradio.settings import Settings

OTHERS = 0o077  # group and everybody
_OURS = (
    *(".lock", ".audit.lock", "audit.*", "session.key", "local-token", "blossomtune.db*"),
    *("certificates", "flower", "gradio", "logs", "processes", "runs", "tmp"),
)
_SHARED = stat.S_ISVTX  # a folder like /tmp, where everybody works


def open_to_others(settings: Settings) -> list[Path]:
    """Each file and folder of ours that group or everybody can reach."""
    closed = not _mode(settings.data_dir) & OTHERS
    found = _elsewhere(settings) if closed else _all(settings)
    return [path for path in found if _mode(path) & OTHERS]


def mend(settings: Settings) -> list[str]:
    """Close them; what was done, and what could not be, as sentences for the operator's log."""
    reached = set(open_to_others(settings))
    for path in [path for path in _all(settings) if _mode(path) & OTHERS]:
        if path.is_symlink() and path != settings.data_dir:
            continue  # where it leads may be somebody else's
        try:
            path.chmod(_mode(path) & ~OTHERS)
        except OSError:
            continue  # not ours to change, or gone meanwhile: the next look tells
    said, left = [], open_to_others(settings)
    if closed := sorted(reached - set(left)):
        said.append(
            f"Other users of this machine could reach {_some(closed)}. They cannot any more: the "
            "data directory is for our own user alone."
        )
    if left:
        said.append(f"WARNING: {still_open(left)}")
    return said


def still_open(paths: list[Path]) -> str:
    """What to do about paths that this user cannot close, or that were not closed yet."""
    return (
        f"Other users of this machine may reach {_some(paths)}. Start the server anew, which "
        "closes what its user owns; else make that user the owner (chown), or put the data "
        "directory onto a file system that keeps rights."
    )


def _all(settings: Settings) -> Iterator[Path]:
    root = settings.data_dir
    if root.parent != root and not _mode(root) & _SHARED:
        yield root  # through a link, too: it is the folder that the operator named
    for pattern in _OURS:
        for path in root.glob(pattern):
            yield from _below(path)
    yield from _elsewhere(settings)


def _elsewhere(settings: Settings) -> Iterator[Path]:
    """A database that is not in the data directory."""
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite" and url.database:
        file = Path(url.database)
        if file.parent != settings.data_dir and file.is_file():
            yield from (Path(f"{file}{end}") for end in ("", "-wal", "-shm"))


def _below(path: Path) -> Iterator[Path]:
    """The path and all below it, links inside left out."""
    yield path
    if path.is_dir() and not path.is_symlink():
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                found = Path(folder, name)
                if not found.is_symlink():
                    yield found


def _mode(path: Path) -> int:
    """0 for what is not there (any more)."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def _some(paths: list[Path]) -> str:
    more = f" and {len(paths) - 1} more below it or beside it" if len(paths) > 1 else ""
    return f"{paths[0]}{more}"
