"""What a site signed that no SuperNode sends: told in our log, and written down once a day.

The key is proven: only a request whose signature is good gets here. So the trail may name the site.
"""

from __future__ import annotations

import base64
import binascii
import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy import select

from blossomtune_gradio.identity import SYSTEM
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import NodeKey, Participant

_log = logging.getLogger(__name__)
QUIET_SECONDS = 60.0  # in the log, for each site
TRAIL_SECONDS = 24 * 3600.0  # in the audit trail, for each site and kind
_MOST = 10_000  # sites and kinds that are remembered


class Forgeries:
    """Tells of them without being a way to flood log or trail. From any thread."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._clock = database, clock
        self._told: dict[tuple[int, str], float] = {}
        self._lock = threading.Lock()

    def tell(self, key: bytes, what: str) -> None:
        """Somebody signed such a reply; `key` as it stands in the header, `what` a clause."""
        owner = self._owner(key)
        if owner is None:  # a key of nobody: the SuperLink would not have listened either
            return
        number, site = owner
        if self._is_news((number, ""), QUIET_SECONDS):
            _log.warning("A reply that %s signed was refused: %s.", site, what)
        if self._is_news((number, what), TRAIL_SECONDS):
            with self._database.write() as session:
                after = {"what": what}
                target = f"participant:{number}"
                record(session, SYSTEM, "site.forgery", target, target_name=site, after=after)

    def _is_news(self, about: tuple[int, str], quiet: float) -> bool:
        now = self._clock()
        with self._lock:
            if now - self._told.get(about, float("-inf")) < quiet:
                return False
            self._told.pop(about, None)
            self._told[about] = now
            if len(self._told) > _MOST:
                del self._told[next(iter(self._told))]
            return True

    def _owner(self, key: bytes) -> tuple[int, str] | None:
        try:
            pem = base64.b64decode(key, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        query = (
            select(Participant.id, Participant.site)
            .join(NodeKey, NodeKey.participant_id == Participant.id)
            .where(NodeKey.pem == pem)
        )
        with self._database.read() as session:
            found = session.execute(query).first()
        return (found.id, found.site) if found else None
