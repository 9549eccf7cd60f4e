"""Output of programs, made harmless: one line of text without colours and control characters.

Flower colours its output even into a file, progress bars rewrite their line with carriage returns,
and a hostile app may print escape sequences or right-to-left overrides. Pure. Limit: at most
`MAX_BYTES` of UTF-8 are kept of a line. Surprise: of a line that was rewritten with carriage
returns only what a terminal would show in the end is kept.
"""

import re

MAX_BYTES = 8 * 1024  # of one line, the mark of a cut included
CUT = "… (cut)"

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor moves
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # window titles, hyperlinks
    r"|\x1b[@-Z\\-_]"
)
_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))  # can make a line read differently
_LINE_ENDS = (0x2028, 0x2029)  # a line break for JavaScript and str.splitlines
_BLANKS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *_BIDI, *_LINE_ENDS), " ")
_HARMLESS = str.maketrans(_BLANKS | {0x09: "    "})


def plain(line: str) -> str:
    """`line` without escapes and control characters, indentation kept, cut to `MAX_BYTES`."""
    text = _ESCAPES.sub("", line)
    if "\r" in text:
        text = text.rstrip("\r").rpartition("\r")[2]
    return cut(text.translate(_HARMLESS).rstrip())


def one_line(text: str) -> str:
    """A text that is no output of a program, as one line: nothing of it was rewritten."""
    return plain(text.replace("\r", " "))


def cut(text: str) -> str:
    """`text` with at most `MAX_BYTES` bytes in UTF-8; a cut is marked and breaks no character."""
    if len(text) * 4 <= MAX_BYTES:
        return text
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= MAX_BYTES:
        return text
    return encoded[: MAX_BYTES - len(CUT.encode())].decode("utf-8", "ignore") + CUT
