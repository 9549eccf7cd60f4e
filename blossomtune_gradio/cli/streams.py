"""The three standard streams as every library takes them for granted: open, and never refusing.

A program may be started with some of them closed (`>&-`, some supervisors). Surprise: without
this, the next file that is opened, a database for instance, gets the number of standard output.
"""

from __future__ import annotations

import io
import os
import sys


def make_sound() -> None:
    """Open what is closed on /dev/null; a letter the terminal lacks is written as an escape."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors="backslashreplace")
