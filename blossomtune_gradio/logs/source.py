"""One log file and its newest lines in memory.

Two hundred readers poll: who is up to date costs one comparison, who is nearly so a short walk over
memory; the file is read for older lines only. Thread-safe. Surprise: the lines are loaded on first
use, and may be forgotten again (`cool`) without anybody noticing more than a slower answer.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from threading import RLock

from blossomtune_gradio.logs.files import (
    append_all,
    backwards,
    forwards,
    size_without_torn_end,
)
from blossomtune_gradio.logs.lines import Line, from_record, position_of, to_record

REMOVED = "WARNING: What was written here before has been removed from the disk."
KEPT_LINES = 2000  # in memory
KEPT_CHARACTERS = 1_000_000  # likewise, whichever is reached first
SEARCHED = 64 * 1024 * 1024  # bytes from the end that a search looks through


class Source:
    def __init__(self, name: str, path: Path) -> None:
        """Raises OSError."""
        self.path = path
        self._name = name
        self._lock = RLock()
        self._size = size_without_torn_end(path) if path.exists() else 0
        self._position: str | None = None  # None: not looked up yet
        self._lines: deque[Line] = deque()
        self._characters = 0
        self._floor = self._size  # every line that ends after this byte is in memory
        self._is_warm = False

    def append(self, texts: Sequence[str], positions: Iterable[str]) -> None:
        """All or nothing. Raises OSError."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        pairs = list(zip(texts, positions, strict=True))
        records = [to_record(now, text, position) for text, position in pairs]
        if not records:
            return
        with self._lock:
            if self._was_removed():
                records.insert(0, to_record(now, REMOVED, pairs[0][1]))
            append_all(self.path, b"".join(records), self._size)
            for record in records:
                self._size += len(record)
                self._remember(from_record(self._name, record[:-1], self._size))
            self._position = pairs[-1][1]

    def position(self) -> str:
        with self._lock:
            if self._position is None:
                last = next(self._backwards(self._size), (b"", 0))
                self._position = position_of(last[0])
            return self._position

    def after(self, cursor: int | None, limit: int, tail: int) -> tuple[int, list[Line]]:
        """Up to `limit` lines after `cursor`, oldest first, and the cursor they begin at.

        Without a cursor, or with one beyond the end, they begin `tail` lines from the end.
        """
        with self._lock:
            if cursor == self._size:
                return cursor, []
            self._warm_up()
            if cursor is None or not 0 <= cursor <= self._size:
                cursor = self._cursor_before_last(tail)
            if cursor >= self._floor:
                newer = self._in_memory_after(cursor)
                return cursor, list(islice(newer, limit))
            size = self._size
        return cursor, [self._line(*found) for found in islice(self._forwards(cursor, size), limit)]

    def before(self, offset: int, limit: int) -> list[Line]:
        """Up to `limit` lines before the one that ends at `offset`, oldest first."""
        with self._lock:
            size = self._size
        found = islice(self._backwards(min(offset - 1, size)), max(0, limit))
        return [self._line(*record) for record in found][::-1]

    def search(self, needle: str, limit: int) -> list[Line]:
        """The newest `limit` lines with `needle` in their text, oldest first; case is ignored."""
        with self._lock:
            size = self._size
        wanted = needle.casefold()
        matches: list[Line] = []
        for record, end in self._backwards(size):
            if len(matches) >= limit or end < size - SEARCHED:
                break
            line = self._line(record, end)
            if wanted in line.text.casefold():
                matches.append(line)
        return matches[::-1]

    def cool(self) -> None:
        """Forget the lines in memory; the next reader loads them again."""
        with self._lock:
            self._forget_lines()
            self._is_warm = False

    # -- with the lock held ---------------------------------------------------------------------

    def _was_removed(self) -> bool:
        """Somebody deleted or cut the file (or its folder): begin anew rather than fail."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        size = self.path.stat().st_size if self.path.exists() else 0
        if size >= self._size:
            return False
        self.path.unlink(missing_ok=True)
        self._size = 0
        self._forget_lines()
        return True

    def _warm_up(self) -> None:
        if self._is_warm:
            return
        self._forget_lines()
        newest: list[Line] = []
        room = KEPT_CHARACTERS
        for record, end in self._backwards(self._size):
            if len(newest) >= KEPT_LINES or room < len(record):
                break
            room -= len(record)
            newest.append(self._line(record, end))
            self._floor = end - len(record) - 1
        for line in reversed(newest):
            self._lines.append(line)
            self._characters += len(line.text)
        self._is_warm = True

    def _forget_lines(self) -> None:
        self._lines.clear()
        self._characters = 0
        self._floor = self._size

    def _remember(self, line: Line) -> None:
        if not self._is_warm:
            self._floor = self._size
            return
        self._lines.append(line)
        self._characters += len(line.text)
        while len(self._lines) > KEPT_LINES or self._characters > KEPT_CHARACTERS:
            forgotten = self._lines.popleft()
            self._characters -= len(forgotten.text)
            self._floor = forgotten.offset

    def _in_memory_after(self, cursor: int) -> list[Line]:
        newer: list[Line] = []
        for line in reversed(self._lines):
            if line.offset <= cursor:
                break
            newer.append(line)
        return newer[::-1]

    def _cursor_before_last(self, lines: int) -> int:
        """The cursor from which `lines` lines follow, or 0 if there are fewer."""
        if lines <= 0:
            return self._size
        if lines < len(self._lines):
            return self._lines[-lines - 1].offset
        if self._floor == 0:
            return 0
        found = next(islice(self._backwards(self._size), lines, None), None)
        return found[1] if found else 0

    # -- the file -------------------------------------------------------------------------------

    def _line(self, record: bytes, end: int) -> Line:
        return from_record(self._name, record, end)

    def _backwards(self, end: int) -> Iterator[tuple[bytes, int]]:
        return backwards(self.path, end) if end > 0 and self.path.exists() else iter(())

    def _forwards(self, begin: int, end: int) -> Iterator[tuple[bytes, int]]:
        return forwards(self.path, begin, end) if self.path.exists() else iter(())
