"""`site.toml` as people save it: read whatever an editor made of it, or named by line and column.

A byte order mark, UTF-16 and any kind of line end are read. What stays wrong is a typing fault, so
the advice is how to type it, never to get a new kit: that would end the key. Lines are not
repeated, one of them holds the token.
"""

from __future__ import annotations

import codecs
import re
import tomllib
from pathlib import Path
from typing import Any

from .words import Problem

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)")
_QUOTES = re.compile("[\u201c-\u201f\u2018-\u201b\u00ab\u00bb\u2032\u2033\u00b4`]")
_BLANKS = re.compile("[\u00a0\u1680\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff]")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_NUMBER = re.compile(r"[+-]?[\d.]")
_OPEN = re.compile(r"\"[^\"]*|'[^']*")
AGAIN = "Take site.toml out of the kit's zip again, and add your own lines to it."
_SWITCHES = ("true", "false", "yes", "no", "on", "off")


def read_table(path: Path) -> dict[str, Any]:
    """What the file says.

    Raises:
        Problem: it cannot be read; the sentence has the place, the advice how to type it.
    """
    text = _decoded(path, _bytes(path))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _fault(path, text, str(error)) from None
    except RecursionError:
        raise Problem(f"{path} has brackets in brackets without end.", AGAIN) from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Problem(f"{path} is missing.", "Unpack the whole kit.") from None
    except OSError as error:
        sentence = f"{path} cannot be read ({error.strerror})."
        raise Problem(sentence, "Correct its rights, or unpack the whole kit.") from None


def _decoded(path: Path, raw: bytes) -> str:
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise Problem(
            f"{path}, line {line}: a letter is not in UTF-8.", "Save the file in that encoding."
        ) from None
    if "\0" in text:
        raise Problem(f"{path} is no text in UTF-8.", "Save the file in that encoding.")
    if not text.strip():
        raise Problem(f"{path} is empty.", AGAIN)
    return text


def _fault(path: Path, text: str, said: str) -> Problem:
    """`said` is the parser's word; where it stopped is nearly always the line of the fault."""
    place = _PLACE.search(said)
    reason = _PLACE.sub("", said)
    lines = text.split("\n")
    if place is None or place[1] is None:
        number = max(n for n, line in enumerate(lines, start=1) if line.strip())
        column = len(lines[number - 1]) + 1
    else:
        number, column = int(place[1]), int(place[2])
    line = lines[min(number, len(lines)) - 1]
    what, fix, at = _judged(line, column, reason)
    return Problem(f"{path}, line {number}, column {at}: {what}.", fix)


def _judged(line: str, column: int, reason: str) -> tuple[str, str, int]:
    """What is wrong in a line that cannot be read, what to type, and in which column."""
    before, equals, behind = line.partition("=")
    value = behind.split("#")[0].strip()
    start = len(before) + 1 + len(behind) - len(behind.lstrip()) + 1
    if quote := _QUOTES.search(line):
        return "typographic quotes", f'Use " in place of {quote[0]}', quote.start() + 1
    if blank := _BLANKS.search(line):
        what = f"a blank of another kind (U+{ord(blank[0]):04X})"
        return what, "Type a plain blank there.", blank.start() + 1
    if "Unescaped" in reason or "escape" in reason or "hex value" in reason:
        return (
            "a backslash within double quotes",
            r"Use single quotes, as in 'C:\data', or type each backslash twice.",
            column,
        )
    if "overwrite" in reason or "twice" in reason:
        return "something is given a second time", "Keep one of the two.", column
    if not equals and ":" in line and not line.lstrip().startswith("["):
        return "a colon in place of =", "Write: name = value", line.index(":") + 1
    if not equals:
        return f"no name and value ({_small(reason)})", "Write: name = value", column
    if not value:
        return "a name without a value", "Write the value, or take the line out.", column
    if _DECIMAL_COMMA.fullmatch(value):
        return "a decimal comma", f"Write {value.replace(',', '.')}", start
    if value.lower() in _SWITCHES:
        return f"{value} is no value", "Write true or false, in small letters.", start
    if _OPEN.fullmatch(value):
        return "a text without its second quotation mark", f"End it with {value[0]}", start
    if value[0] not in "\"'[{" and not _NUMBER.match(value):
        return "a text without quotation marks", 'Write it in quotes: "…"', start
    return _small(reason), "Correct that line.", column


def _small(reason: str) -> str:
    return reason[:1].lower() + reason[1:]
