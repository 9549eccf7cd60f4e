"""What Gradio keeps for each open page, made cheap: anybody can ask for any number of them.

For each new session Gradio describes all parts of all pages anew, 16 ms and 85 kB, so that a link
to its state could be shown. There are no such links here (the doors know no path to them), so the
description is left out. Limits: tied to the classes of Gradio 6.31; tests/test_page_limits.py says
what must hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from datetime import datetime
from typing import Any

import gradio as gr
from gradio.components import State
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
        if isinstance(self.blocks_config.blocks.get(key), State):
            super().__setitem__(key, value)
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


def keep_light_sessions(blocks: gr.Blocks, capacity: int) -> None:
    """Have mounted pages keep light sessions, at most `capacity`."""
    blocks.state_session_capacity = capacity
    blocks.state_holder = blocks.app.state_holder = LightSessions(blocks, capacity)
