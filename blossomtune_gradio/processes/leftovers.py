"""Ends what a killed program of ours left running, known from its records alone."""

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
