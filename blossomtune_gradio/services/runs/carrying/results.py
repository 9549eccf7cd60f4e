"""The files that a run left behind: those in the working folder of its ServerApp.

Such files are an app's: names, kinds and sizes are hostile. Only plain files are listed and handed
out, no links, and each folder on the way is opened by itself, so that nothing leads out. Limits:
1 000 files, eight folders deep, of the first 20 000 names. Surprise: a file that has a second name
somewhere (a hard link) is left out as well, because that name may be one of our own secrets.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from blossomtune_gradio.errors import NotFound
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.services.runs.folder import RunFolders
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import Run

_MOST, _DEEPEST, _MOST_NAMES = 1000, 8, 20_000
_NOWHERE = Path(os.devnull)  # no folder, so nothing is below it
_PIECE = 256 * 1024  # bytes
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe must not hold us


@dataclass(frozen=True)
class ResultFile:
    """One of them. `name` is the path below the run's folder, with slashes."""

    name: str
    size: int  # bytes
    changed_at: datetime


@dataclass(frozen=True)
class Results:
    """What is there, and how many names are not shown: no plain files, odd names, too many."""

    files: list[ResultFile]
    left_out: int


class ResultService:
    """Lists and hands out what runs left behind."""

    def __init__(self, database: Database, folders: RunFolders) -> None:
        self._database, self._folders = database, folders

    def of(self, run_id: int, by: User) -> Results:
        """The files of a run, by name."""
        require(by, Role.RESEARCHER, "see the files of a run")
        files: list[ResultFile] = []
        left_out = 0
        for entry, path in islice(_walk(self._of_run(run_id), "", 1), _MOST_NAMES):
            known = None if entry is None or len(files) >= _MOST else _plain_file(entry)
            if known is None or not path.isprintable() or "\\" in path:
                left_out += 1
            else:
                at = datetime.fromtimestamp(known.st_mtime, UTC)
                files.append(ResultFile(path, known.st_size, at))
        return Results(sorted(files, key=lambda file: file.name), left_out)

    def open(self, run_id: int, name: str, by: User) -> tuple[int, Iterator[bytes]]:
        """Size and content of one file.

        Raises:
            NotFound: there is no such plain file (any more).
        """
        require(by, Role.RESEARCHER, "download the files of a run")
        missing = NotFound("This run has no such file (any more). Reload the page.")
        *folders, last = name.split("/")
        try:
            handle = os.open(self._of_run(run_id), _FOLDER)
            for part in folders:
                handle = _inside(handle, part, _FOLDER)
            file = os.fdopen(_inside(handle, last, _FILE), "rb")
        except (OSError, ValueError):
            raise missing from None
        told = os.fstat(file.fileno())
        if not stat.S_ISREG(told.st_mode) or told.st_nlink != 1:
            file.close()
            raise missing
        return told.st_size, _pieces(file, told.st_size)

    def _of_run(self, run_id: int) -> Path:
        with self._database.read() as session:
            run = session.get(Run, run_id)
        if run is None:
            raise NotFound("This run does not exist (any more). Reload the page.")
        return self._folders.of(run).results or _NOWHERE


def _walk(folder: Path, below: str, depth: int) -> Iterator[tuple[os.DirEntry[str] | None, str]]:
    """Each name with its path; None for a folder that is not looked into."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            path = f"{below}{entry.name}"
            if not entry.is_dir(follow_symlinks=False):
                yield entry, path
            elif depth < _DEEPEST:
                yield from _walk(Path(entry.path), f"{path}/", depth + 1)
            else:
                yield None, path


def _plain_file(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return None  # gone meanwhile
    return found if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 else None


def _inside(folder: int, name: str, how: int) -> int:
    """Open a name in an open folder, which is closed. Raises OSError."""
    try:
        if name in ("", ".", ".."):
            raise OSError(f"{name!r} leads elsewhere")
        return os.open(name, how, dir_fd=folder)
    finally:
        os.close(folder)


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """As many bytes as were promised, or fewer where the file has shrunk."""
    with file:
        while size > 0 and (piece := file.read(min(_PIECE, size))):
            size -= len(piece)
            yield piece
