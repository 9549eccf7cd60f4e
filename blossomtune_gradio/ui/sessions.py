"""What Gradio keeps for each open page, made cheap: anybody can ask for any number of them.

For each new session Gradio describes all parts of all pages anew, 16 ms and 85 kB, so that a link
to its state could be shown. There are no such links here (the doors know no path to them), so the
description is left out. Limits: tied to the classes of Gradio 6.31; tests/test_page_limits.py says
what must hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from datetime import datetime
from typing import Any

import gradio as gr
from gradio.components import State
from gradio.routes import App
from gradio.state_holder import SessionState, StateHolder


class LightSession(SessionState):
    """What callbacks have changed for one page, without a description of the rest."""

    def __init__(self, blocks: gr.Blocks) -> None:
        self.blocks_config = copy(blocks.default_config)
        self.config_values: dict[int, Any] = {}
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict[int, Any] = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = 3600

    def __setitem__(self, key: int, value: Any) -> None:
        block = self.blocks_config.blocks.get(key)
        if isinstance(block, State):
            self._state_ttl[key] = (block.time_to_live, datetime.now())
            self.state_data[key] = value
        else:
            self.blocks_config.blocks[key] = value

    def _update_config(self, key: int) -> None:
        """Nobody reads it."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Nobody reads it."""

    @property
    def components(self) -> Iterator[dict[str, Any]]:
        """Nothing is described."""
        return iter(())


class LightSessions(StateHolder):
    """At most `capacity` of them; with the one not used longest goes what waits for it."""

    def __init__(self, blocks: gr.Blocks, capacity: int) -> None:
        super().__init__()
        self.blocks = blocks
        self.capacity = capacity

    def __getitem__(self, session_id: str) -> SessionState:
        with self.lock:
            found = self.session_data.get(session_id)
            if found is None:
                found = self.session_data[session_id] = LightSession(self.blocks)
            self.session_data.move_to_end(session_id)
            self.time_last_used[session_id] = datetime.now()
            while len(self.session_data) > self.capacity:
                self._forget(self.session_data.popitem(last=False)[0])
        return found

    def _forget(self, session_id: str) -> None:
        self.time_last_used.pop(session_id, None)
        waiting = self.blocks._queue.pending_event_ids_session
        if session_id not in self.blocks._queue.pending_messages_per_session:
            waiting.pop(session_id, None)  # answers nobody has fetched, nor will


def keep_light_sessions(routes: Iterable[object], capacity: int) -> None:
    """Have the pages mounted among `routes` keep light sessions, at most `capacity`."""
    apps = [app for route in routes if isinstance(app := getattr(route, "app", None), App)]
    if not apps:
        raise RuntimeError("No Gradio pages are mounted here.")
    for app in apps:
        blocks = app.get_blocks()
        blocks.state_session_capacity = capacity
        blocks.state_holder = app.state_holder = LightSessions(blocks, capacity)
