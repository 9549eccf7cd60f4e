"""Persisted logs: one text file per source, read with byte cursors.

`LogStore` keeps and answers, `FileFollower` copies the raw output of a child into it. The other
files are their insides: `lines` is the format of one record, `source` is one file with its newest
lines in memory, `files` reads a file backwards.
"""

from blossomtune_gradio.logs.follower import FileFollower
from blossomtune_gradio.logs.handler import OperatorLog
from blossomtune_gradio.logs.lines import Line, read_level
from blossomtune_gradio.logs.store import LinesPage, LogStore

__all__ = ["FileFollower", "Line", "LinesPage", "LogStore", "OperatorLog", "read_level"]
