"""Small things every test may use: waiting with a deadline, free ports."""

import os
import socket
import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], seconds: float = 10, every: float = 0.05) -> None:
    """Return as soon as `condition()` is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {seconds:g} s: {condition}")
        time.sleep(every)


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def terminal() -> dict[str, str]:
    """The environment of a person's terminal: without what `make test` hands on to its children."""
    ours = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTEST_ADDOPTS")
    return {name: value for name, value in os.environ.items() if name not in ours}
