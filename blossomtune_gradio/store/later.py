"""Writes that nobody waits for: when somebody was seen last, what was refused to whom.

A thread writes them a moment later, so that looking never needs a lock, a disk with room or a
database that may be written. Of two with one key only the newer is kept. Surprise: what cannot be
written stays here and is tried again; the trouble is told once, and so is its end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from blossomtune_gradio.background import Loop
from blossomtune_gradio.errors import BlossomError
from blossomtune_gradio.store.database import Database

_log = logging.getLogger(__name__)
_MOST = 10_000  # that wait; whatever comes on top is forgotten
_ROUND, _AGAIN = 5.0, 30.0  # seconds between two rounds, and after one that failed


class Later:
    """The thread and what it has to do."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._waiting: dict[Hashable, Callable[[Session], None]] = {}
        self._each_round: list[Callable[[], None]] = []
        self._in_trouble = False
        self.loop = Loop("later", self._round, _ROUND)

    def open(self) -> None:
        """Begin to write."""
        self.loop.open()

    def close(self) -> None:
        """Write what is left, once, and stop."""
        if self.loop.close(15):
            self._round()

    def put(self, key: Hashable, work: Callable[[Session], None]) -> None:
        """Do `work` in a transaction, soon; it may be done again if that fails."""
        with self._lock:
            if key in self._waiting or len(self._waiting) < _MOST:
                self._waiting[key] = work
        if not self._in_trouble:
            self.loop.wake()

    def each_round(self, act: Callable[[], None]) -> None:
        """Call `act` every few seconds, and before the end."""
        self._each_round.append(act)

    def flush(self) -> bool:
        """Write what waits, now; False when it still waits."""
        with self._writing:
            with self._lock:
                taken, self._waiting = self._waiting, {}
            if not taken:
                return True
            try:
                with self._database.write() as session:
                    for work in taken.values():
                        work(session)
            except (SQLAlchemyError, BlossomError) as error:
                with self._lock:
                    self._waiting = taken | self._waiting
                self._told(str(error) if isinstance(error, BlossomError) else type(error).__name__)
                return False
        self._told("")
        return True

    def _round(self) -> float:
        for act in self._each_round:
            act()
        self.flush()
        return _AGAIN if self._in_trouble else _ROUND

    def _told(self, why: str) -> None:
        was, self._in_trouble = self._in_trouble, bool(why)
        if why and not was:
            _log.warning("Notes on the side cannot be written: %s They wait.", why)
        elif was and not why:
            _log.info("Notes on the side are written again.")
