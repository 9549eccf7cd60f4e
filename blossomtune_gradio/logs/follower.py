"""Copies the raw output file of a child into the log, line by line, each exactly once.

How far it came is written with every record, so after a crash of ours the next follower goes on
there. A half line is held back until its line break comes, or the child has ended. Limit: a file
that was cut and has grown beyond the old place between two looks is not noticed to be a new one.
"""

import os
from collections.abc import Callable
from pathlib import Path

from blossomtune_gradio.background import Loop
from blossomtune_gradio.logs.store import LogStore

_BLOCK = 256 * 1024  # bytes read at once
_LONGEST = 64 * 1024  # bytes kept of a line that has not ended; far more than the log keeps
_AGAIN = 1.0  # seconds until the next try after an error


class FileFollower:
    def __init__(
        self,
        store: LogStore,
        source: str,
        raw: Path,
        every: float = 0.2,
        is_noise: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`every`: seconds between two looks; a line that `is_noise` is left out.

        Raises ValueError if others wrote to `source`.
        """
        self.error = ""  # a sentence, as long as copying does not work
        self._store = store
        self._source = source
        self._raw = raw
        self._is_noise = is_noise
        self._inode: int | None = None
        self._read = int(store.position(source) or 0)  # bytes of the file that were looked at
        self._half = b""  # what is known of the line that has not ended
        self.loop = Loop("logs", self._follow, every, retry=_AGAIN, longest=_AGAIN, of=source)

    def start(self) -> None:
        self.loop.open()

    def stop(self) -> None:
        """Copy what is there, a half line as the last one, then end. Never raises; see `error`."""
        self.loop.close(None)
        self._try(ended=True)

    def copy(self, ended: bool = False) -> None:
        """Copy what is there now. `ended`: no more will come, so a half line is a last one.

        Raises OSError; then nothing is lost, the next call goes on.
        """
        try:
            raw = self._raw.open("rb")
        except FileNotFoundError:
            return  # the child has not written yet
        with raw:
            now = os.fstat(raw.fileno())
            if now.st_size < self._read or self._inode not in (None, now.st_ino):
                self._read, self._half = 0, b""  # another file: from its beginning
            self._inode = now.st_ino
            raw.seek(self._read)
            while block := raw.read(_BLOCK):
                self._take(block)
        if ended and self._half:
            self._store.append(self._source, [_text(self._half)], str(self._read))
            self._half = b""

    def _take(self, block: bytes) -> None:
        *complete, rest = block.split(b"\n")
        texts: list[str] = []
        positions: list[str] = []
        end = self._read
        for number, piece in enumerate(complete):
            end += len(piece) + 1
            text = _text(self._half + piece if number == 0 else piece)
            if not self._is_noise(text):
                texts.append(text)
                positions.append(str(end))
        self._store.append(self._source, texts, positions)  # if it raises, we have not moved
        self._half = _shortened(rest if complete else self._half + rest)
        self._read += len(block)

    def _follow(self) -> float | None:
        return None if self._try() else _AGAIN

    def _try(self, ended: bool = False) -> bool:
        try:
            self.copy(ended)
        except OSError as error:
            self.error = (
                f"The output of {self._source} cannot be copied into its log ({error.strerror}); "
                "it is tried again each second. Free some space in the data folder."
            )
            return False
        self.error = ""
        return True


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _shortened(half: bytes) -> bytes:
    """A half line, so that one that never ends (a progress bar) takes no more and more memory."""
    if len(half) <= _LONGEST:
        return half
    rewritten_at = half.rstrip(b"\r").rfind(b"\r")
    return half[rewritten_at + 1 :][:_LONGEST]
