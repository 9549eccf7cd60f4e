"""Is the audit trail whole? The check of the chain, and the signed note of how far it went.

A hash chain alone does not show that its end was cut off or that all of it was written anew. So the
number and hash of the newest entry are kept outside the database, in `audit.head`, signed with
`audit.key` (both in the data directory, 0600). Surprise: the head may lag behind the entries after
a crash, that is fine; it is written after a commit only, so it is never ahead of them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from blossomtune_gradio.errors import BlossomError
from blossomtune_gradio.files import write_private
from blossomtune_gradio.plain_text import plain
from blossomtune_gradio.store.models import AuditEntry, now

BEGINNING = "0" * 64  # what the first entry names as its predecessor


class SealBroken(BlossomError):
    """The signed head cannot be believed; the message says why."""

    status = 409


@dataclass(frozen=True)
class Head:
    """Number and hash of the newest entry that was sealed."""

    number: int
    hash: str


NOTHING_YET = Head(0, BEGINNING)


@dataclass(frozen=True, kw_only=True)
class TrailCheck:
    """What a check of the whole trail found."""

    good: bool
    entries: int  # that were found good, from the first
    sentence: str
    entry: int | None = None  # number of the first bad one
    checked_at: datetime


class Seal:
    """The signed head of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._key, self._head = data_dir / "audit.key", data_dir / "audit.head"

    @property
    def files(self) -> tuple[Path, Path]:
        """Key and head, for a backup."""
        return self._key, self._head

    @property
    def is_new(self) -> bool:
        """Nothing was ever sealed here."""
        return not (self._key.exists() or self._head.exists())

    def begin(self) -> None:
        """Make the key and the first head. Raises OSError."""
        write_private(self._key, secrets.token_hex(32).encode())
        self.write(NOTHING_YET)

    def read(self) -> Head:
        """The head. Raises `SealBroken` when it is missing, damaged or signed by somebody else."""
        key = self._read_key()
        try:
            kept = json.loads(self._head.read_bytes())
            head, signature = Head(int(kept["number"]), str(kept["hash"])), str(kept["signature"])
        except FileNotFoundError:
            raise SealBroken(
                f"{self._head.name} is missing, so nobody can tell whether the end of the trail "
                "was cut off. Restore it from a backup."
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SealBroken(
                f"{self._head.name} cannot be read ({type(error).__name__}). Restore it from a "
                "backup."
            ) from error
        if not hmac.compare_digest(signature, _signature(key, head)):
            raise SealBroken(
                f"{self._head.name} was changed by somebody: its signature does not fit. Restore "
                "it from a backup."
            )
        return head

    def write(self, head: Head) -> None:
        """Replace the head in one step. Raises OSError, `SealBroken`."""
        kept = {
            "number": head.number,
            "hash": head.hash,
            "signature": _signature(self._read_key(), head),
        }
        write_private(self._head, json.dumps(kept).encode())

    def _read_key(self) -> bytes:
        try:
            key = self._key.read_bytes()
        except OSError as error:
            raise SealBroken(
                f"{self._key.name} cannot be read ({error.strerror}), so the head of the trail "
                "cannot be checked. Restore it from a backup."
            ) from error
        if not key:
            raise SealBroken(f"{self._key.name} is empty. Restore it from a backup.")
        return key


def fingerprint(entry: AuditEntry) -> str:
    """SHA-256 over everything an entry says, its number and predecessor included."""
    said = [
        entry.id,
        entry.at.isoformat(),
        entry.actor,
        entry.actor_name,
        entry.address,
        entry.action,
        entry.target,
        entry.target_name,
        entry.before,
        entry.after,
        entry.previous,
    ]
    text = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def check(entries: Iterable[AuditEntry], head: Head) -> TrailCheck:
    """Walk over all entries, ordered by number, and stop at the first bad one. Pure."""
    last = NOTHING_YET
    for entry in entries:
        fault = _fault(entry, last, head)
        if fault:
            bad = min(entry.id, last.number + 1)
            return TrailCheck(
                good=False, entries=last.number, sentence=fault, entry=bad, checked_at=now()
            )
        last = Head(entry.id, entry.hash)
    if head.number > last.number:
        return TrailCheck(
            good=False, entries=last.number, sentence=_cut(last, head), entry=last.number + 1,
            checked_at=now(),
        )  # fmt: skip
    words = "1 entry" if last.number == 1 else f"{last.number} entries"
    return TrailCheck(
        good=True, entries=last.number, sentence=f"{words}, unbroken.", checked_at=now()
    )


def next_heads(links: Iterable[tuple[int, str, str]], head: Head) -> Head:
    """The newest of `(number, hash, previous)`, which begin at the head and follow each other.

    Raises `SealBroken` where they do not: a broken trail must not be sealed as if it were whole.
    """
    reached = head
    seen = head.number == 0
    for number, own, previous in links:
        if not seen:
            seen = True
            if (number, own) != (head.number, head.hash):
                break
            continue
        if number != reached.number + 1 or previous != reached.hash:
            raise SealBroken(f"Entry {number} does not follow entry {reached.number}.")
        reached = Head(number, own)
    else:
        if seen:
            return reached
    raise SealBroken(f"Entry {head.number} is not the one that was sealed.")


def _fault(entry: AuditEntry, last: Head, head: Head) -> str:
    """What is wrong with this entry, as a sentence, or ""."""
    told = f"Entry {entry.id} ({_told(entry)})"
    if entry.id != last.number + 1:
        gap = entry.id - last.number - 1
        names = f"Entry {last.number + 1} is" if gap == 1 else (
            f"Entries {last.number + 1} to {entry.id - 1} are"
        )  # fmt: skip
        return f"{names} missing: {last.number or 'the beginning'} is followed by {told}."
    if fingerprint(entry) != entry.hash:
        return f"{told} was changed or moved: what it says does not fit its hash."
    if entry.previous != last.hash:
        return (
            f"{told} does not follow entry {last.number}: one of the two was exchanged or put in."
        )
    if entry.id == head.number and entry.hash != head.hash:
        return (
            f"{told} is not the one that was sealed: the trail was written anew, at this entry or "
            "before it."
        )
    return ""


def _cut(last: Head, head: Head) -> str:
    gone = head.number - last.number
    names = f"Entry {head.number} is" if gone == 1 else (
        f"Entries {last.number + 1} to {head.number} are"
    )  # fmt: skip
    return f"{names} missing: the end of the trail was cut off."


def _told(entry: AuditEntry) -> str:
    return plain(f"{entry.action} by {entry.actor_name or entry.actor}, {entry.at:%F %T} UTC")


def _signature(key: bytes, head: Head) -> str:
    return hmac.new(key, f"{head.number}:{head.hash}".encode(), hashlib.sha256).hexdigest()
