"""Who did what, when, from where: written in the transaction of the change itself.

Each entry carries the hash of the one before, so a changed, missing or reordered one is found.
`AuditLog` reads the trail, and seals its newest entry after each commit (see `audit_chain`).
Surprise: `record` needs the session of a *write*: on SQLite that holds the write lock, so two
entries never claim the same predecessor.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from filelock import FileLock
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from blossomtune_gradio.background import Loop
from blossomtune_gradio.identity import SYSTEM, Role, User, require
from blossomtune_gradio.services.audit.chain import (
    BEGINNING,
    Seal,
    SealBroken,
    TrailCheck,
    check,
    fingerprint,
    next_heads,
)
from blossomtune_gradio.services.audit.filter import AuditFilter
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import AuditEntry, now
from blossomtune_gradio.store.models.base import kept

__all__ = ["AuditFilter", "AuditLog", "AuditPage", "TrailCheck", "fingerprint", "record"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_RECORDED = "audit entry was recorded"  # in the notes of a session
_FRESH = 10.0  # seconds for which a verdict is told again, at least
_SPARING = 50  # a check may take one fiftieth of the time
_RETRY = 5.0  # seconds until a head that could not be written is tried again
_BATCH = 500


def record(
    session: Session,
    by: User,
    action: str,
    target: str,
    *,
    target_name: str = "",
    before: Mapping[str, Any] = _NOTHING,
    after: Mapping[str, Any] = _NOTHING,
) -> AuditEntry:
    """Add an entry. `action` is "thing.verb", `target` "thing:id"; before and after are JSON."""
    newest = session.execute(
        select(AuditEntry.id, AuditEntry.hash).order_by(AuditEntry.id.desc()).limit(1)
    ).first()
    number, previous = (newest[0] + 1, newest[1]) if newest else (1, BEGINNING)
    entry = AuditEntry(
        id=number,
        at=now(),
        actor=kept(by.id),
        actor_name=kept(by.name),
        address=kept(by.address),
        action=action,
        target=kept(target),
        target_name=kept(target_name),
        before=kept(before),
        after=kept(after),
        previous=previous,
    )
    entry.hash = fingerprint(entry)
    session.add(entry)
    session.flush()
    session.info[_RECORDED] = True
    return entry


@dataclass(frozen=True)
class AuditPage:
    """Some entries, newest first."""

    entries: list[AuditEntry]
    total: int  # that fit the filter
    before: int | None  # ask with this for the next older ones; None: there are none


class AuditLog:
    """The trail as admins read it, and the thread that seals it."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        self._database, self._seal = database, Seal(data_dir)
        self._turn = FileLock(data_dir / ".audit.lock")  # a command may write beside the server
        self._checking = threading.Lock()
        self._verdict: TrailCheck | None = None
        self._good_until = 0.0
        self._trouble = ""
        self.loop = Loop("audit", self._bring_up, math.inf, retry=_RETRY, longest=_RETRY)

    # -- life ------------------------------------------------------------------------------

    def open(self) -> None:
        """Make key and head at the very first start, and seal every commit from now on."""
        self.begin()
        self._database.after_write(self._hear)
        self.loop.open()  # its first turn: a crash may have left the head behind

    def begin(self) -> None:
        """Make key and head if nothing was ever sealed here; a trail that is there says so."""
        with self._turn:
            if not self._seal.is_new:
                return
            self._seal.begin()
        with self._database.write() as session:
            if session.scalar(select(func.max(AuditEntry.id))):
                record(session, SYSTEM, "audit.seal", "audit:head", target_name="new key")

    def close(self) -> None:
        """Seal what is left and stop."""
        if self.loop.close():
            with suppress(SealBroken, OSError):  # told already
                self.seal()

    def seal(self) -> None:
        """Bring the signed head up to the newest entry. Raises `SealBroken`, OSError."""
        with self._turn:
            head = self._seal.read()
            query = (
                select(AuditEntry.id, AuditEntry.hash, AuditEntry.previous)
                .where(AuditEntry.id >= head.number)
                .order_by(AuditEntry.id)
            )
            with self._database.read() as session:
                links = [(row[0], row[1], row[2]) for row in session.execute(query)]
            newest = next_heads(links, head)
            if newest != head:
                self._seal.write(newest)

    # -- what others ask -------------------------------------------------------------------

    def note(self, by: User, action: str, target: str, **more: Any) -> None:
        """An entry in a transaction of its own, for what changes no table (a process died)."""
        with self._database.write() as session:
            record(session, by, action, target, **more)

    def entries(
        self,
        by: User,
        wanted: AuditFilter | None = None,
        *,
        before: int | None = None,
        limit: int = 50,
    ) -> AuditPage:
        """The newest entries that fit, older than the number `before`; at most 500."""
        require(by, Role.ADMIN, "read the audit trail")
        chosen = wanted or AuditFilter()
        limit = max(1, min(limit, _BATCH))
        query = chosen.apply(select(AuditEntry)).order_by(AuditEntry.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(AuditEntry.id < before)
        with self._database.read() as session:
            rows = list(session.scalars(query))
            total = session.scalar(chosen.apply(_count())) or 0
        page = rows[:limit]
        return AuditPage(page, total, page[-1].id if len(rows) > limit else None)

    def all_entries(self, by: User, wanted: AuditFilter | None = None) -> Iterator[AuditEntry]:
        """Every entry that fits and is there now, oldest first, for an export of any length."""
        require(by, Role.ADMIN, "export the audit trail")
        query = (wanted or AuditFilter()).apply(select(AuditEntry)).order_by(AuditEntry.id)
        return self._in_batches(query)

    def verify(self, by: User, *, afresh: bool = False) -> TrailCheck:
        """Is the trail whole? The answer may be some seconds old, unless asked `afresh`."""
        require(by, Role.ADMIN, "check the audit trail")
        with self._checking:
            if afresh or self._verdict is None or time.monotonic() > self._good_until:
                began = time.monotonic()
                self._verdict = self._check()
                ended = time.monotonic()
                self._good_until = ended + max(_FRESH, (ended - began) * _SPARING)
            verdict = self._verdict
        if verdict.good and self._trouble:
            return replace(verdict, good=False, sentence=self._trouble)
        return verdict

    # -- inside ----------------------------------------------------------------------------

    def _check(self) -> TrailCheck:
        try:
            head = self._seal.read()  # before the entries: it must not be ahead of them
        except SealBroken as error:
            return TrailCheck(good=False, entries=0, sentence=str(error), checked_at=now())
        query = select(AuditEntry).order_by(AuditEntry.id)
        with self._database.read() as session:
            rows = session.scalars(query.execution_options(yield_per=_BATCH))
            return check(rows, head)

    def _in_batches(self, query: Select[Any]) -> Iterator[AuditEntry]:
        """A transaction per batch: a slow reader must not hold one open."""
        with self._database.read() as session:
            newest = session.scalar(select(func.max(AuditEntry.id))) or 0
        last = 0
        while True:
            part = query.where(AuditEntry.id > last, AuditEntry.id <= newest).limit(_BATCH)
            with self._database.read() as session:
                rows = list(session.scalars(part))
            yield from rows
            if len(rows) < _BATCH:
                return
            last = rows[-1].id

    def _hear(self, session: Session) -> None:
        if session.info.get(_RECORDED):
            self.loop.wake()

    def _bring_up(self) -> float:
        try:
            self.seal()
        except SealBroken as error:  # no fault of ours: told on the page until it is seen to
            self._trouble = str(error)
            return _RETRY
        except Exception as error:
            self._trouble = f"The head of the trail cannot be written ({error}). Make room."
            raise
        self._trouble = ""
        return math.inf


def _count() -> Select[Any]:
    return select(func.count()).select_from(AuditEntry)
