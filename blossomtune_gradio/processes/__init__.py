"""Supervised child programs. Knows no Flower.

`Program` says what to run, `ProcessSupervisor` runs one of them, `Status` is what everybody else
sees. The other files are its insides: `tree` finds and ends every descendant, `child` is the one
process we started or adopted, `record` is what survives us on disk, `words` says how it ended.
"""

from blossomtune_gradio.processes.leftovers import died_unseen, end_leftovers
from blossomtune_gradio.processes.model import FINAL, Program, State, Status
from blossomtune_gradio.processes.supervisor import ProcessSupervisor
from blossomtune_gradio.processes.tree import is_free

__all__ = [
    "FINAL",
    "ProcessSupervisor",
    "Program",
    "State",
    "Status",
    "died_unseen",
    "end_leftovers",
    "is_free",
]
