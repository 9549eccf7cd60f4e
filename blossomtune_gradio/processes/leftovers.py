"""What a killed program of ours left behind, known from its records alone."""

from pathlib import Path

from blossomtune_gradio.processes.child import clear_leftovers
from blossomtune_gradio.processes.record import RecordFile


def end_leftovers(record_dir: Path) -> None:
    """End every tree that has a record in this folder, and delete the records.

    Raises:
        ProcessFailed: a part of a tree survives.
    """
    for path in sorted(record_dir.glob("*.json")):
        clear_leftovers(path.stem, RecordFile(path))


def died_unseen(record_dir: Path, name: str) -> bool:
    """Whether a program ended while nobody watched it: it has a record, but does not run.

    Ask before `adopt` or `start`, which clear the record. Raises ProcessFailed.
    """
    record = RecordFile(record_dir / f"{name}.json").read()
    return record is not None and not record.is_running()
