"""Python's `logging`, carried to the operator: a sentence into the log *blossomtune*, and where
something was raised, its traceback into a file beside it.

Every module of ours says what happens with `logging.getLogger(__name__)`, from INFO upwards. Of
others only errors come here, each at most once a minute: what uvicorn says of a stranger's request
must not flood the page. Surprise: two applications in one process hear each other's sentences where
a thread works for none of them (see `background.Loops`); a server has one.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from blossomtune_gradio.logs.store import LogStore
from blossomtune_gradio.plain_text import one_line

SOURCE = "blossomtune"
TRACEBACKS = "tracebacks.txt"  # not *.log: it is no source of the page
_SIZE, _OLDER = 1024 * 1024, 4  # bytes of one file; how many older ones stay
_OURS = "blossomtune_gradio"
_AGAIN, _MOST_OTHERS = 60.0, 200  # seconds, sentences of others that are remembered


class OperatorLog(logging.Handler):
    """What hears the whole process from `open` to `close`."""

    def __init__(self, logs: LogStore, folder: Path, mine: Callable[[], bool]) -> None:
        """`folder` is where tracebacks are kept; `mine` says whether this thread is heard."""
        super().__init__(logging.INFO)
        self._logs, self._mine = logs, mine
        self._tracebacks = _Tracebacks(folder / TRACEBACKS)
        self._others: dict[str, float] = {}  # of other programs' parts: when it was told last

    def open(self) -> None:
        """Hear what is said from now on."""
        logging.getLogger(_OURS).setLevel(logging.INFO)
        logging.getLogger().addHandler(self)

    def close(self) -> None:
        """Hear nothing more."""
        logging.getLogger().removeHandler(self)
        self._tracebacks.close()
        super().close()

    def filter(self, record: logging.LogRecord) -> bool:
        """Ours, or an error of somebody else's part that was not told a moment ago."""
        if not self._mine():
            return False
        if record.name.split(".")[0] == _OURS:
            return record.levelno >= logging.INFO
        return record.levelno >= logging.ERROR and self._is_news(f"{record.name} {record.msg}")

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a full disk must not stop who has something to say."""
        with suppress(Exception):
            # The level is said first, always: no name that somebody chose passes for one.
            sentence = f"{record.levelname}: {one_line(record.getMessage())}"
            if record.exc_info and record.exc_info[0]:
                self._tracebacks.keep(record, sentence)
                sentence = f"{sentence} (traceback in {TRACEBACKS})"
            self._logs.append(SOURCE, [sentence])

    def _is_news(self, what: str) -> bool:
        now = time.monotonic()
        if now - self._others.get(what, -_AGAIN) < _AGAIN:
            return False
        if len(self._others) >= _MOST_OTHERS:
            self._others.clear()
        self._others[what] = now
        return True


class _Tracebacks(RotatingFileHandler):
    """The file, for our own user only."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=_SIZE, backupCount=_OLDER, encoding="utf-8", delay=True)

    def _open(self) -> TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return TextIOWrapper(os.fdopen(handle, "ab", buffering=0), "utf-8", write_through=True)

    def format(self, record: logging.LogRecord) -> str:
        """The sentence, and below it, indented, how it came: no text in it begins an entry."""
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        raised = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        lines = [one_line(line) for line in raised.splitlines()]
        head = f"{at} {record.threadName} {record.name}: {record.msg}"
        return "\n    ".join([one_line(head), *lines])

    def keep(self, record: logging.LogRecord, sentence: str) -> None:
        """Add an entry; the record itself stays as it is, others may hear it, too."""
        mine = logging.makeLogRecord(record.__dict__ | {"msg": sentence, "args": ()})
        self.emit(mine)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """A disk without room: nothing goes to stderr, which may be as full."""
