"""Who is asking, for every request. So far only local mode: no provider, one local admin.

Surprise: local mode trusts the address the connection comes from, so the doors in front of it check
the Host header and the settings refuse to listen beyond loopback.
"""

from __future__ import annotations

from typing import Any, Protocol

from blossomtune_gradio.identity import LOCAL_ADMIN, STRANGER, User
from blossomtune_gradio.settings import is_loopback


class Asked(Protocol):
    """What Starlette's and Gradio's requests have in common."""

    @property
    def client(self) -> Any:
        """The address of the other side, with its `host`; None when it cannot be told."""


def current_user(request: Asked) -> User:
    """The user behind a request."""
    client = request.client
    return LOCAL_ADMIN if client is not None and is_loopback(client.host) else STRANGER
