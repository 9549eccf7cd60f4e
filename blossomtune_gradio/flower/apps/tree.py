"""All that lies in an app's folder, seen in one bounded walk, and the one way to read a file of it.

Whatever is hostile about a folder ends here: links are seen and never followed, pipes, sockets and
devices are never opened, and walk and files have limits. Nothing is imported or unpacked. Limit:
`.git` is not walked; should a Python file lie in it, Flower would bundle that.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, TypeAlias

from blossomtune_gradio.errors import InvalidInput

Kind: TypeAlias = Literal["file", "folder", "link", "special"]

MOST_ENTRIES = 5000  # files and folders; more is data or an environment in the wrong place
DEEPEST = 20  # folders in each other
_SKIPPED = frozenset({".git", "__pycache__"})
_SKIPPED_AT_TOP = _SKIPPED | {".venv", ".flwr"}  # Flower leaves them out just there
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


@dataclass(frozen=True)
class TreeEntry:
    """A file, folder, link or something special; `name` is its POSIX path in the app."""

    name: str
    kind: Kind
    size: int


class AppTree:
    """What the walk has seen. `signature` changes whenever a file changes, comes or goes."""

    def __init__(self, root: Path) -> None:
        """Walk. Never raises: what cannot be seen is told in `faults`."""
        self.root = root
        self.entries: dict[str, TreeEntry] = {}
        self.faults: list[str] = []
        self._digest = sha256()
        for name, status in self._walk():
            entry = TreeEntry(name, _kind(status.st_mode), status.st_size)
            self.entries[name] = entry
            seen = (name, entry.kind, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            self._digest.update(repr(seen).encode("utf-8", "surrogateescape"))
        self._digest.update(repr(self.faults).encode("utf-8", "surrogateescape"))

    @property
    def signature(self) -> str:
        """Hex digest of all names, kinds, sizes and times."""
        return self._digest.hexdigest()

    def of(self, kind: Kind) -> Iterator[TreeEntry]:
        """All entries of that kind."""
        return (entry for entry in self.entries.values() if entry.kind == kind)

    def is_file(self, name: str) -> bool:
        """True for a regular file."""
        return name in self.entries and self.entries[name].kind == "file"

    def read(self, name: str, most: int) -> bytes:
        """The file's content.

        Raises InvalidInput, a sentence without the name in front, when it is no regular file,
        has more than `most` bytes or cannot be read.
        """
        if not self.is_file(name):
            raise InvalidInput(f"there is no file {name} in the app.")
        try:
            with open(os.open(self.root / name, _FLAGS), "rb") as file:  # noqa: PTH123 - flags
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise InvalidInput(f"{name} is not a regular file.")
                content = file.read(most + 1)
        except OSError as error:
            raise InvalidInput(f"{name} cannot be read ({error.strerror}).") from error
        if len(content) > most:
            raise InvalidInput(f"{name} is larger than {size_word(most)}.")
        return content

    def _walk(self) -> Iterator[tuple[str, os.stat_result]]:
        waiting = [("", 0)]
        count = 0
        while waiting:
            folder, depth = waiting.pop()
            for name, status in self._inside(folder):
                count += 1
                if count > MOST_ENTRIES:
                    self.faults.append(
                        f"There are more than {MOST_ENTRIES} files in this folder. Keep data and "
                        "virtual environments outside of it."
                    )
                    return
                yield name, status
                if stat.S_ISDIR(status.st_mode):
                    if depth >= DEEPEST:
                        self.faults.append(
                            f"There are more than {DEEPEST} folders in each other "
                            f"({name[:60]}…). Make the app flatter."
                        )
                        return
                    waiting.append((name, depth + 1))

    def _inside(self, folder: str) -> Iterator[tuple[str, os.stat_result]]:
        """What lies directly in a folder, in the order of the disk: it may be endless."""
        try:
            with os.scandir(self.root / folder) as found:
                for entry in found:
                    if entry.name in (_SKIPPED if folder else _SKIPPED_AT_TOP):
                        continue
                    name = f"{folder}/{entry.name}" if folder else entry.name
                    try:
                        yield name, entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue  # gone this moment; the next look sees it
        except OSError as error:
            self.faults.append(f"{folder or 'The folder'} cannot be read ({error.strerror}).")


def size_word(size: int) -> str:
    """Bytes for people: 256 KiB, 1 MiB."""
    for unit in ("bytes", "KiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size //= 1024
    return f"{size:.0f} MiB"


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "special"
