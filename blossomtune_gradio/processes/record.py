"""What is written on disk about a child, so that a later BlossomTune finds it again.

One JSON file per program, replaced atomically. It is there as long as something of the child's
tree may live: written with the tag before the child is spawned (we may be killed right after),
completed with the pid, deleted when the whole tree is verified gone.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from blossomtune_gradio.errors import ProcessFailed
from blossomtune_gradio.processes.tree import Tree, boot_id, is_alive, start_time


@dataclass(frozen=True, kw_only=True)
class Record:
    tag: str  # random, in the environment of the whole tree
    boot_id: str
    command: str  # argv[0], for people who look into the file
    started_at: str  # UTC, for people too
    output_from: int  # bytes in the output file before this child wrote its first
    pid: int | None = None
    start_time: float | None = None  # as tree.start_time gives it: guards against a reused pid

    def is_running(self) -> bool:
        """Whether that very child (not another process with its number) is still there."""
        if self.pid is None or self.start_time is None or self.boot_id != boot_id():
            return False
        if start_time(self.pid) != self.start_time:
            return False
        try:
            return is_alive(psutil.Process(self.pid))
        except psutil.NoSuchProcess:
            return False

    def tree(self) -> Tree:
        """What may be left of it; the leader counts only if its number was not given away."""
        mine = self.pid is not None and start_time(self.pid) in (None, self.start_time)
        same_boot = self.boot_id == boot_id()
        return Tree(self.pid if mine and same_boot else None, self.tag)


class RecordFile:
    """`<folder>/<name of the program>.json`. Each method raises ProcessFailed with a sentence."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, record: Record) -> None:
        """Replace the file at once."""
        draft = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(asdict(record), indent=1))
            draft.replace(self._path)
        except OSError as error:
            raise self._trouble("written", error) from error

    def read(self) -> Record | None:
        """None without a file, or with one that is no record (power failed while writing)."""
        try:
            return Record(**json.loads(self._path.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        except OSError as error:
            raise self._trouble("read", error) from error

    def delete(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise self._trouble("deleted", error) from error

    def _trouble(self, done: str, error: OSError) -> ProcessFailed:
        return ProcessFailed(
            f"The note about {self._path.stem} in the data folder cannot be {done} "
            f"({error.strerror}). Free some space there, or give us the right to write, then try "
            "again."
        )
