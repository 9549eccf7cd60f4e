"""Supervised child programs. Knows no Flower.

`Program` says what to run, `ProcessSupervisor` runs one of them, `Status` is what everybody else
sees. The other files are its insides: `tree` finds and ends every descendant, `child` is the one
process we started or adopted, `record` is what survives us on disk, `words` says how it ended.
"""

from blossomtune_gradio.processes.leftovers import end_leftovers
from blossomtune_gradio.processes.model import Program, State, Status
from blossomtune_gradio.processes.supervisor import ProcessSupervisor

__all__ = ["ProcessSupervisor", "Program", "State", "Status", "end_leftovers"]
