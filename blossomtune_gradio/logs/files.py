"""A file of records, read from either end, and never beyond what the caller says is its size."""

import os
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 64 * 1024  # bytes


def backwards(path: Path, end: int) -> Iterator[tuple[bytes, int]]:
    """Records whose end is <= `end`, newest first: (content without line break, byte of its end).

    The caller stops when it has enough; a half record at `end` is left out.
    """
    with path.open("rb") as file:
        begin, buffer = end, b""  # buffer: read already, not yet given out; begins at `begin`
        while begin > 0:
            stop, begin = begin, max(0, begin - _BLOCK)
            file.seek(begin)
            buffer = file.read(stop - begin) + buffer
            first, *records = buffer.split(b"\n")
            if not records:
                continue
            at = begin + len(buffer) - len(records.pop())
            for record in reversed(records):
                yield record, at
                at -= len(record) + 1
            buffer = first + b"\n"  # its beginning is in the block before
        if buffer.endswith(b"\n"):
            yield buffer[:-1], len(buffer)


def forwards(path: Path, begin: int, end: int) -> Iterator[tuple[bytes, int]]:
    """Records between `begin` and `end`, oldest first: (content without line break, its end).

    If `begin` is inside a record, the rest of that one is left out.
    """
    with path.open("rb") as file:
        if begin > 0:
            file.seek(begin - 1)
            begin += len(file.readline()) - 1
        for record in file:
            begin += len(record)
            if begin > end or not record.endswith(b"\n"):
                return
            yield record[:-1], begin


def size_without_torn_end(path: Path) -> int:
    """Cut off a last record without line break (a crash while writing); the size after that."""
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end > 0:
            begin = max(0, end - _BLOCK)
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0:
                end = begin + found + 1
                break
            end = begin
        if end < size:
            file.truncate(end)
    return end


def append_all(path: Path, data: bytes, size: int) -> None:
    """Append all of `data`, or nothing: on an error the file has `size` bytes again, as before.

    Raises OSError.
    """
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        written = 0
        while written < len(data):  # one call, unless the disk is nearly full
            written += os.write(handle, data[written:])
    except OSError:
        os.ftruncate(handle, size)
        raise
    finally:
        os.close(handle)
