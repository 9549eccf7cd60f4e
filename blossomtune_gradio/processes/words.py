"""How a child ended, in words a person can use. Reads the output file, writes nothing."""

import signal
from pathlib import Path

from blossomtune_gradio.plain_text import plain

_LAST_LINES = 5
_LAST_BYTES = 8 * 1024
_HINTS = {
    signal.SIGKILL: " (out of memory?)",
    signal.SIGSEGV: " (a crash inside the program or a library)",
    signal.SIGABRT: " (it aborted itself)",
    signal.SIGBUS: " (disk or shared memory full?)",
}


def how_it_ended(exit_code: int | None) -> str:
    """The predicate of a sentence about the program: "ended with exit code 1"."""
    if exit_code is None:
        return "ended; with which code is not known, because it was started before BlossomTune was"
    if exit_code >= 0:
        return "ended by itself" if exit_code == 0 else f"ended with exit code {exit_code}"
    try:
        number = signal.Signals(-exit_code)
    except ValueError:
        return f"was killed by signal {-exit_code}"
    return f"was killed by {number.name}{_HINTS.get(number, '')}"


def last_lines(output: Path, begin: int) -> str:
    """The last non-empty lines after byte `begin`, each after a line break; "" without any."""
    try:
        with output.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(min(begin, end), end - _LAST_BYTES))
            raw = file.read(_LAST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        return f"\n(its output cannot be read: {error.strerror})"
    lines = [text for text in map(plain, raw.split("\n")) if text.strip()]
    return "".join(f"\n{line}" for line in lines[-_LAST_LINES:])
