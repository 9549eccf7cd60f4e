"""How often somebody may ask for a code, guess one, take a kit, or hand in a key or a report.

Counted per person, per mailbox, per site and per client, with the library `limits` (which also
counts for Flask and FastAPI add-ons): a moving window, so that nobody gets twice the share around
the full hour. It counts in memory: a restart forgets it, but what protects a single code (its five
tries, its fifteen minutes, the minute between two mails) is kept in the database.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias

from limits import RateLimitItem, RateLimitItemPerHour
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from blossomtune_gradio.errors import NotPossible
from blossomtune_gradio.identity import User

# The same words for everybody: they must not tell whether there is a request or an address.
_LOCKED = "Too many wrong codes. Wait an hour, then ask for a new code."

_Kinds: TypeAlias = Sequence[tuple[RateLimitItem, tuple[str, ...]]]


class TooOften(NotPossible):
    """Somebody has used up their share for now."""

    status = 429


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How much of each thing there is per hour."""

    codes_per_person: int = 10
    codes_per_mailbox: int = 5  # a stranger must not fill somebody's mailbox
    codes_per_client: int = 100  # a whole hospital may share one address
    guesses_per_person: int = 20
    guesses_per_client: int = 200
    kits_per_site: int = 10  # each is a mail, too
    keys_per_site: int = 10  # Flower keeps every key for ever
    reports_per_site: int = 120  # join.py sends one a minute at most


class Limits:
    """Counts what people do."""

    def __init__(self, shares: Shares | None = None) -> None:
        self._shares, self._lock = shares or Shares(), Lock()
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def take_code(self, user: User, email: str) -> None:
        """Count a mail with a code. Raises TooOften, telling the seconds to wait."""
        kinds = self._codes(user, email)
        with self._lock:
            if wait := self._wait(kinds):
                raise TooOften(f"Too many codes were asked for. Ask again in {wait} seconds.")
            self._hit(kinds)

    def code_wait(self, user: User, email: str) -> int:
        """Seconds until `take_code` is allowed, 0 now."""
        return self._wait(self._codes(user, email))

    def take_guess(self, user: User) -> None:
        """Count an attempt with a code, right or wrong. Raises TooOften."""
        shares = self._shares
        kinds = [
            (RateLimitItemPerHour(shares.guesses_per_person), ("guess", "person", user.id)),
            (RateLimitItemPerHour(shares.guesses_per_client), ("guess", "client", user.address)),
        ]
        with self._lock:
            if self._wait(kinds):
                raise TooOften(_LOCKED)
            self._hit(kinds)

    def take_kit(self, participant_id: int) -> None:
        """Count a kit. Raises TooOften."""
        self._take(
            (
                RateLimitItemPerHour(self._shares.kits_per_site),
                ("kit", "site", str(participant_id)),
            ),
            "This site took many kits within an hour. Use the newest one, or get another in",
        )

    def take_key(self, participant_id: int) -> None:
        """Count a key that is new. Raises TooOften."""
        self._take(
            (
                RateLimitItemPerHour(self._shares.keys_per_site),
                ("key", "site", str(participant_id)),
            ),
            "This site had many keys within an hour. Keep the newest one, or hand in another in",
        )

    def take_report(self, participant_id: int) -> None:
        """Count a report of a site. Raises TooOften."""
        shares, site = self._shares, str(participant_id)
        self._take(
            (RateLimitItemPerHour(shares.reports_per_site), ("report", "site", site)),
            "This site sent many reports within an hour. It may send the next in",
        )

    def _take(self, kind: tuple[RateLimitItem, tuple[str, ...]], sentence: str) -> None:
        with self._lock:
            if wait := self._wait([kind]):
                raise TooOften(f"{sentence} {wait} seconds.")
            self._hit([kind])

    def _codes(self, user: User, email: str) -> _Kinds:
        shares = self._shares
        return [
            (RateLimitItemPerHour(shares.codes_per_person), ("code", "person", user.id)),
            (RateLimitItemPerHour(shares.codes_per_mailbox), ("code", "mailbox", email)),
            (RateLimitItemPerHour(shares.codes_per_client), ("code", "client", user.address)),
        ]

    def _wait(self, kinds: _Kinds) -> int:
        """Seconds until each of them has room; an unknown client ("") is not counted."""
        longest = 0.0
        for item, names in kinds:
            if names[-1] and not self._windows.test(item, *names):
                at = self._windows.get_window_stats(item, *names).reset_time
                longest = max(longest, at - time.time(), 1)
        return math.ceil(longest)

    def _hit(self, kinds: _Kinds) -> None:
        for item, names in kinds:
            if names[-1]:
                self._windows.hit(item, *names)
