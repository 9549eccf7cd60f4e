"""What people type about themselves: one e-mail address, a site's name, some words. Pure.

Each is checked and made one spelling before anything else sees it: what is kept can be shown on a
page, in a mail, a log and a terminal. Surprise: an address in a foreign alphabet is kept in its
ASCII form (xn--…), so a look-alike of a known domain does not look like it.
"""

from __future__ import annotations

import re
import unicodedata

import email_validator
from email_validator import EmailNotValidError, validate_email

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.plain_text import plain

SITE_LENGTH, LINE_LENGTH, TEXT_LENGTH, REASON_LENGTH = 64, 200, 2000, 500  # characters
_EMAIL_LENGTH = 254
_SITE = re.compile(r"[\w][\w .()&'/-]{0,63}")
_LOOK_ALIKES = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU")
# Many a hospital's own mail lives in an Active Directory domain like `clinic.local`. The library
# refuses it as a name of mDNS; this list is its documented switch.
if "local" in email_validator.SPECIAL_USE_DOMAIN_NAMES:
    email_validator.SPECIAL_USE_DOMAIN_NAMES.remove("local")
_TURNING = dict.fromkeys((0x061C, 0x200E, 0x200F), None)  # marks that turn the reading direction


def checked_email(text: str) -> str:
    """One address in its one spelling: lower case, the domain in ASCII.

    Raises:
        InvalidInput: it is none, or more than one, or has a name before it.
    """
    typed = text.strip() if len(text) <= 4 * _EMAIL_LENGTH else ""
    try:
        found = validate_email(
            typed, check_deliverability=False, allow_smtputf8=False, allow_display_name=False
        )
    except EmailNotValidError as error:
        why = f" {plain(str(error))}" if typed and "@" in typed else ""
        raise InvalidInput(
            f"This is not one e-mail address.{why} Write it like ada@example.org.", field="email"
        ) from error
    address = found.ascii_email or found.normalized
    if len(address) > _EMAIL_LENGTH:
        raise InvalidInput("This is not one e-mail address: it is too long.", field="email")
    return address.lower()


def checked_site(text: str) -> str:
    """The name of a site: one line, letters of one alphabet.

    Raises:
        InvalidInput: it cannot be shown everywhere, or could be taken for another.
    """
    name = " ".join(unicodedata.normalize("NFKC", text).split()) if len(text) < 1000 else ""
    if not _SITE.fullmatch(name):
        raise InvalidInput(
            f"A site name has 1 to {SITE_LENGTH} letters, digits, blanks or any of . ( ) & ' / - _ "
            "and starts with a letter or digit.",
            field="site",
        )
    if len(alphabets := _alphabets(name)) > 1:
        raise InvalidInput(
            f"This site name mixes {' and '.join(alphabets)} letters, some of which look alike. "
            "Write it in one alphabet.",
            field="site",
        )
    return name


def checked_line(text: str, field: str, limit: int = LINE_LENGTH) -> str:
    """A few words on one line. Raises InvalidInput when they are too many."""
    return " ".join(checked_text(text, field, limit).split())


def checked_text(text: str, field: str, limit: int = TEXT_LENGTH) -> str:
    """Words on several lines, without control characters and direction marks.

    Raises:
        InvalidInput: there are too many.
    """
    if len(text) > limit:  # before anything that takes time
        raise InvalidInput(
            f"The text '{field}' may have {limit:,} characters; this one has {len(text):,}.",
            field=field,
        )
    return _clean(text)


def shown_name(name: str) -> str:
    """A name that a sign-in provider told, fit to be shown; cut, never refused."""
    return " ".join(_clean(name[:1000]).split())[:LINE_LENGTH]


def _clean(text: str) -> str:
    whole = text.encode("utf-8", "replace").decode()  # half a character cannot be stored
    one_form = unicodedata.normalize("NFC", whole.replace("\r\n", "\n"))
    lines = (plain(line).translate(_TURNING) for line in one_form.split("\n"))
    return "\n".join(lines).strip()


def _alphabets(name: str) -> list[str]:
    firsts = (unicodedata.name(letter, "").split(" ")[0] for letter in name if letter.isalpha())
    return sorted({first.capitalize() for first in firsts if first in _LOOK_ALIKES})
