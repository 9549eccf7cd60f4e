"""All logs of one folder: `<source>.log` each, appended by us alone, read by many with cursors.

A cursor is a byte offset per source, so it is still good after we were stopped and started. Limit:
one process writes a folder. Surprise: a batch is all or nothing on a full disk, but a crash in the
middle of it may keep its first records; who must not lose a line gives each text its own position.
"""

import heapq
import re
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from threading import Lock

from blossomtune_gradio.errors import InvalidInput, NotFound
from blossomtune_gradio.logs.lines import Line
from blossomtune_gradio.logs.source import Source

_NAME = re.compile(r"[a-z0-9._-]{1,64}")
_WARM = 64  # sources whose newest lines are in memory at the same time


@dataclass(frozen=True)
class LinesPage:
    lines: list[Line]  # of all sources, by time; those of one source in their own order
    cursor: dict[str, int]  # to ask with the next time
    more: bool  # there are more lines already: ask again at once


class LogStore:
    def __init__(self, directory: Path) -> None:
        """Pick up the files of `directory`, or make it. Raises OSError."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._lock = Lock()
        self._warm: OrderedDict[str, Source] = OrderedDict()
        found = {file.stem: file for file in directory.glob("*.log") if file.is_file()}
        self._sources = {
            name: Source(name, file) for name, file in found.items() if _NAME.fullmatch(name)
        }

    def append(self, source: str, texts: Sequence[str], position: str | Sequence[str] = "") -> None:
        """Write `texts` as one batch; `position` is that of all, or one for each.

        Each text becomes one harmless line with the level it seems to have. Raises OSError (then
        nothing was written), ValueError for a position with tabs or line breaks or a wrong number
        of them, InvalidInput for a name that cannot be a file's.
        """
        path = self.path(source)
        with self._lock:
            found = self._sources.get(source)
            if found is None:
                found = self._sources[source] = Source(source, path)
        positions = repeat(position, len(texts)) if isinstance(position, str) else position
        found.append(texts, positions)

    def position(self, source: str) -> str:
        """How far the origin was consumed with the last record; "" if there is none."""
        found = self._sources.get(source)
        return found.position() if found else ""

    def sources(self) -> list[str]:
        with self._lock:
            return sorted(self._sources)

    def since(
        self,
        cursor: Mapping[str, int],
        sources: Collection[str] | None = None,
        limit: int = 500,
        tail: int = 300,
    ) -> LinesPage:
        """Lines after `cursor`, of `sources` or all, the `limit` oldest of them.

        A source that the cursor lacks begins `tail` lines from its end; so does one that is shorter
        than the cursor says, because its file was replaced. Unknown sources have no lines (yet).
        """
        limit = max(1, limit)
        after: dict[str, int] = {}
        parts: list[list[Line]] = []
        for name in self.sources():
            if sources is None or name in sources:
                begin, lines = self._use(name).after(cursor.get(name), limit + 1, tail)
                after[name] = begin
                parts.append(lines)
        merged = heapq.merge(*parts, key=lambda line: line.time)
        page = list(islice(merged, limit))
        after.update((line.source, line.offset) for line in page)
        return LinesPage(page, after, more=next(merged, None) is not None)

    def page_before(self, source: str, offset: int, limit: int) -> list[Line]:
        """For scrolling back: up to `limit` lines before the line with this `offset`.

        Oldest first. Raises NotFound.
        """
        return self._known(source).before(offset, limit)

    def search(self, source: str, needle: str, limit: int) -> list[Line]:
        """The newest `limit` lines whose text has `needle`, whatever its case; oldest first.

        Looks through the last 64 MiB. Raises NotFound.
        """
        return self._known(source).search(needle, limit)

    def around(self, source: str, offset: int, limit: int = 200) -> list[Line]:
        """The line with this `offset` in the middle of about `limit` others. Raises NotFound."""
        before = self._known(source).before(offset + 1, limit // 2 + 1)
        start = before[-1].offset if before else 0
        after = self._use(source).after(start, max(1, limit // 2), 0)[1]
        return [*before, *after]

    def all_lines(self, source: str) -> Iterator[str]:
        """Every line as text, "time level text"; a log that is not there has none."""
        cursor, more = {source: 0}, source in self.sources()
        while more:
            page = self.since(cursor, [source], limit=1000)
            yield "".join(f"{line.time} {line.level:<8} {line.text}\n" for line in page.lines)
            cursor, more = page.cursor, page.more

    def remove(self, source: str) -> None:
        """Delete a log for ever. One that is not there is fine. Raises OSError, InvalidInput."""
        path = self.path(source)
        with self._lock:
            self._sources.pop(source, None)
            self._warm.pop(source, None)
        path.unlink(missing_ok=True)

    def path(self, source: str) -> Path:
        """The file of `source`, whether or not it is there yet. Raises InvalidInput."""
        if not _NAME.fullmatch(source):
            raise InvalidInput("A log's name is 1 to 64 of a-z 0-9 . _ -; choose another one.")
        return self._directory / f"{source}.log"

    def _known(self, source: str) -> Source:
        found = self._sources.get(source)
        if found is None:
            raise NotFound("There is no log of that name; choose one from the list of sources.")
        return found

    def _use(self, name: str) -> Source:
        """The source, with its lines in memory; the longest unused one forgets its own."""
        with self._lock:
            source = self._warm[name] = self._sources[name]
            self._warm.move_to_end(name)
            coldest = self._warm.popitem(last=False)[1] if len(self._warm) > _WARM else None
        if coldest is not None:
            coldest.cool()
        return source
