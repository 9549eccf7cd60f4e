"""The Join page: where somebody stands on the way to a connected site, and what comes next.

All state is on the server: a reload or another device shows the same. `standing` tells everything
about one person at once; each move answers with the new standing, or with a sentence and the field
it belongs to. Surprise: moves are server functions, not callbacks, because a script must learn
that a move was not answered to keep what was typed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui.components import part
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.join_words import STEPS, stage_of
from blossomtune_gradio.ui.rows import iso, right_now
