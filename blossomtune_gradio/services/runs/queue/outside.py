"""Runs that somebody gave to Flower without us, by a plain `flwr run`: they get a row like ours.

Whoever may use the SuperLink's own connection on the server is trusted; Flower does not say who it
was. Surprise: a run of ours whose `flwr run` has not answered yet looks just the same. So while one
of ours is on its way, nobody is taken in; it gets its number within seconds. Limit: one that began
and ended while we were away is not seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.flower.link.facts import RunFact
from blossomtune_gradio.plain_text import plain
from blossomtune_gradio.services.runs.carrying.tools import Tools
from blossomtune_gradio.services.runtimes.runtime import Runtime
from blossomtune_gradio.store.models import now

_NEWEST = 100  # runs of Flower that are looked at
_OVERLAP = timedelta(seconds=5)  # between two looks: a run that ended in between is not missed


class Outside:
    """Looks for such runs in one runtime. It belongs to the queue's thread."""

    def __init__(self, runtime: Runtime, tools: Tools) -> None:
        self._runtime, self._tools = runtime, tools
        self._since = now()  # what ended before is nobody's business any more

    def take_in(self) -> int:
        """Give rows to the runs that have none; how many that were.

        Raises:
            FlowerError: the SuperLink does not answer.
        """
        looked, book = now(), self._tools.book
        facts = self._runtime.control.runs(limit=_NEWEST)
        known = book.flower_ids(self._runtime.name)
        new = [f for f in reversed(facts) if f.run_id not in known and self._concerns_us(f)]
        taken = [self._take(fact) for fact in new]
        if None not in taken:
            self._since = looked - _OVERLAP
        return sum(bool(one) for one in taken)

    def _take(self, fact: RunFact) -> int | None:
        app, config = self._app(fact), told(fact.config)
        return self._tools.book.take_in(fact, app, config, self._runtime.name)

    def _concerns_us(self, fact: RunFact) -> bool:
        if not fact.finished:
            return True
        began = fact.pending_at
        return began is not None and began > self._since and fact.sub_status != "stopped"

    def _app(self, fact: RunFact) -> str:
        """What the app is called here if it is one of ours, else as it calls itself."""
        try:
            apps = self._tools.apps.apps()
        except SettingsError:
            apps = []
        here = (app.name for app in apps if app.bundle_hash == fact.fab_hash)
        return next(here, "") or plain(fact.app_id.rsplit("/", 1)[-1]) or "unknown"


def told(config: Mapping[str, object]) -> dict[str, Any]:
    """The values as they can be kept: text without control characters, numbers that are numbers."""
    return {plain(key): _kept(value) for key, value in config.items()}


def _kept(value: object) -> object:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return plain(str(value))
