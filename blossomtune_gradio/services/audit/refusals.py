"""What was refused to whom, and why: sign-ins, tokens, codes, kits; for the log and the trail.

Everybody can be refused as often as they like, so it must not fill a disk. The first refusal of a
kind to one address is an entry at once; those of the next minute are one more, with their number.
All addresses together have `BURST` entries and one more each minute; what is beyond is one entry
in ten minutes for each kind. Surprise: each reference that somebody was told stands in the log and
in the trail. Secrets are never passed in here.
"""

from __future__ import annotations

import ipaddress
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlalchemy.orm import Session

from blossomtune_gradio.identity import STRANGER, Role, User
from blossomtune_gradio.plain_text import plain
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.store.later import Later

BURST, PER_MINUTE = 200, 1.0  # entries of all addresses together
_log = logging.getLogger(__name__)
_WINDOW, _ELSEWHERE = 60.0, 600.0  # seconds
_OWN_REFERENCES = 20  # in one window; whoever is refused more often is told the last one again
_REASONS = 3  # different ones in one entry
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that look alike


@dataclass
class _Window:
    """Refusals of one kind to one address since `began` that are in no entry yet."""

    by: User
    began: float
    seconds: float
    count: int = 0
    reference: str = ""
    references: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    target: tuple[str, str] = ("", "")


class Refusals:
    """Counts and tells them."""

    def __init__(
        self,
        later: Later,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._later, self._clock = later, clock
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str], _Window] = {}
        self._room, self._filled_at, self._number = float(BURST), clock(), 0
        later.each_round(self.settle)

    def note(self, action: str, by: User, reason: str, target: str, target_name: str = "") -> str:
        """Count a refusal; `action` is like "account.refused". The reference to tell the person."""
        why = plain(" ".join(reason.split()))[:300]
        with self._lock:
            moment = self._clock()
            key, window = self._window(action, by, moment)
            window.target = (target, plain(target_name)[:200])
            window.count += 1
            own = len(window.references) < _OWN_REFERENCES
            if own:
                window.reference = "".join(secrets.choice(_LETTERS) for _ in range(6))
                window.references.append(window.reference)
            if why not in window.reasons and len(window.reasons) < _REASONS:
                window.reasons.append(why)
            if window.seconds == 0:  # the first: an entry at once
                self._write(key, window)
                window.seconds = _WINDOW
            reference = window.reference
        if own:
            who = f"{by.id} " if by.role > Role.ANYONE else ""
            _log.info(
                "REFUSED %s: %s %sfrom %s: %s", reference, action, who, by.address or "?", why
            )
        return reference

    def settle(self) -> None:
        """Write down what a window that is over has counted."""
        with self._lock:
            moment = self._clock()
            for key, window in list(self._windows.items()):
                if moment - window.began < window.seconds:
                    continue
                if not window.count:
                    del self._windows[key]
                elif not key[1] or self._may_write(moment):
                    self._write(key, window)
                    window.began = moment
                else:
                    self._move(key, window, moment)

    def close(self) -> None:
        """Write down whatever was counted."""
        with self._lock:
            for key, window in self._windows.items():
                if window.count:
                    self._write(key, window)
            self._windows.clear()

    def _window(self, action: str, by: User, moment: float) -> tuple[tuple[str, str], _Window]:
        key = (action, by.id if by.role > Role.ANYONE else _network(by.address))
        if key not in self._windows and not self._may_write(moment):
            key, by = (action, ""), replace(STRANGER)
        if key not in self._windows:
            seconds = 0.0 if key[1] else _ELSEWHERE
            self._windows[key] = _Window(by=by, began=moment, seconds=seconds)
        return key, self._windows[key]

    def _may_write(self, moment: float) -> bool:
        gained = (moment - self._filled_at) / 60 * PER_MINUTE
        self._room, self._filled_at = min(float(BURST), self._room + gained), moment
        if self._room < 1:
            return False
        self._room -= 1
        return True

    def _move(self, key: tuple[str, str], window: _Window, moment: float) -> None:
        """There is no room for an entry of its own: it is counted with the others."""
        del self._windows[key]
        others = self._windows.setdefault(
            (key[0], ""), _Window(by=replace(STRANGER), began=moment, seconds=_ELSEWHERE)
        )
        others.count += window.count
        others.target = window.target
        others.reference = window.reference
        others.references = [*window.references, *others.references][:_OWN_REFERENCES]
        others.reasons = list(dict.fromkeys((*others.reasons, *window.reasons)))[:_REASONS]

    def _write(self, key: tuple[str, str], window: _Window) -> None:
        said = {
            "count": window.count,
            "references": window.references,
            "reasons": window.reasons,
        }
        by, (target, name), self._number = window.by, window.target, self._number + 1

        def work(session: Session) -> None:
            record(session, by, key[0], target, target_name=name, after=said)

        self._later.put(("refusal", self._number), work)
        window.count, window.references, window.reasons = 0, [], []


def _network(address: str) -> str:
    """Who counts as one: whoever has one address of an IPv6 /64 has them all."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address or "?"
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))
