"""Names that sign-in providers tell, and whom an entry of the settings stands for.

A role hangs on a name, so two names are the same only when they are the same text, letter by
letter. `shown` writes one so that no other looks like it for what cannot be seen: a blank at the
end, a sign without width. Pure. Surprise: `provider:sub:1234` names an account by what the provider
never gives to another; `provider:ada` waits for the first who signs in under that name.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

LONGEST = 200  # characters of a name that are shown; a longer one has no role by its name
LONGEST_SUB = 255  # OpenID Connect Core 1.0, section 2
_BY_SUB = "sub:"
_UNSEEN = frozenset(  # letters and signs for Python, nothing on a screen
    code
    for first, last in (
        (0x034F, 0x034F),  # grapheme joiner
        (0x115F, 0x1160),  # fillers
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x2800, 0x2800),  # braille without dots
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),  # variation selectors
        (0xFFA0, 0xFFA0),
        (0xE0100, 0xE01EF),
    )
    for code in range(first, last + 1)
)
_OPEN, _CLOSE = "⟨", "⟩"
_MARK = re.compile(rf"{_OPEN}U\+[0-9A-F]{{4,6}}{_CLOSE}")
_ODD_BLANKS = re.compile(r"^ +| +$|(?<= ) +")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of BLOSSOMTUNE_ADMINS or BLOSSOMTUNE_RESEARCHERS."""

    provider: str
    value: str
    by: Literal["name", "sub"]

    @property
    def subject(self) -> str:
        """`provider:sub` of the account it stands for; "" when only a sign-in can tell."""
        return f"{self.provider}:{self.value}" if self.by == "sub" else ""


def entry_of(text: str) -> Entry | None:
    """`hf:ada` or `keycloak:sub:1234`; None when it is neither. No sign-in can forge the second."""
    provider, _, rest = text.partition(":")
    by: Literal["name", "sub"] = "sub" if rest.startswith(_BY_SUB) else "name"
    value = rest.removeprefix(_BY_SUB)
    return Entry(provider=provider, value=value, by=by) if provider and value else None


def shown(name: str) -> str:
    """A name as one line on which everything is seen; two that differ are never shown alike.

    At most `LONGEST` characters; composed and decomposed letters count as one (NFC).
    """
    text = unicodedata.normalize("NFC", name[: 2 * LONGEST])
    odd = {place for found in _ODD_BLANKS.finditer(text) for place in range(*found.span())}
    seen = (
        letter if _is_seen(letter) and place not in odd else _mark(letter)
        for place, letter in enumerate(text)
    )
    line = "".join(seen)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def is_plain(name: str) -> bool:
    """Whether a name is exactly what one sees; only such a name can have a role."""
    return bool(name) and shown(name) == name


def is_sub(text: str) -> bool:
    """Whether OpenID Connect allows this as the number of an account."""
    return 0 < len(text) <= LONGEST_SUB and text.isascii() and text.isprintable()


def bare(name: str) -> str:
    """What is left of a name when one does not look closely: to warn of look-alikes."""
    wide = unicodedata.normalize("NFKC", _MARK.sub("", shown(name)))
    return "".join(wide.casefold().split())


def _is_seen(letter: str) -> bool:
    return letter.isprintable() and ord(letter) not in _UNSEEN and letter not in (_OPEN, _CLOSE)


def _mark(letter: str) -> str:
    return f"{_OPEN}U+{ord(letter):04X}{_CLOSE}"
