"""Small things every test may use: waiting with a deadline, free ports, a process held still."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil


def wait_for(
    condition: Callable[[], object], seconds: float = 10, every: float | None = None
) -> None:
    """Return as soon as `condition()` is true; fail after `seconds`.

    Without `every` it looks often at first, then each twentieth of the time waited so far: looking
    costs what is waited for the processor it needs.
    """
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"not true within {seconds:g} s: {condition}")
        time.sleep(every or min(0.5, max(0.05, waited / 20)))


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


@contextmanager
def held(process: psutil.Process) -> Iterator[None]:
    """It does nothing for a while, and notices nothing of that."""
    process.suspend()
    try:
        yield
    finally:
        process.resume()
