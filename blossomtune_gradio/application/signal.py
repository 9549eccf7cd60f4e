"""Something that others wait for has happened: who says so does not know who listens."""

from __future__ import annotations

from collections.abc import Callable


class Signal:
    """Call it when it happens. Listeners come while all is built, and are quick."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Have this called each time, after those that came before."""
        self._listeners.append(listener)

    def __call__(self) -> None:
        """It happened."""
        for listener in self._listeners:
            listener()
