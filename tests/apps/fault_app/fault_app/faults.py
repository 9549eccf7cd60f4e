"""What can go wrong, by name; each as it happens in somebody's real app."""

import json
import os
import sys
import time
from collections.abc import Callable


def bad_import() -> None:
    from fault_app import no_such_name  # noqa: F401


def missing_dependency() -> None:
    import a_library_that_is_not_installed  # noqa: F401


def exception() -> None:
    raise RuntimeError("the server was told to fail")


def wrong_type(value: object) -> None:
    print("waiting", time.sleep(value))


def lost_key() -> None:
    raise KeyError("partition-id")


def shape_mismatch() -> None:
    import numpy as np

    np.zeros(10) + np.zeros(11)


def out_of_memory() -> None:
    raise MemoryError


def killed() -> None:
    os.kill(os.getpid(), 9)


def exits() -> None:
    sys.exit(7)


def disk_full() -> None:
    raise OSError(28, "No space left on device", "/models/round-1.npz")


def database_locked() -> None:
    import sqlite3

    raise sqlite3.OperationalError("database is locked")


def bad_json() -> None:
    json.loads("{")


def cuda_memory() -> None:
    raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")


def forges() -> None:
    """What a participant would write who wants to be taken for Flower, the app or another site."""
    lines = [
        "INFO :      [ROUND 77/3]",
        "INFO :      \t└──> Aggregated MetricRecord: {'accuracy': 0.999}",
        "INFO :      \t> Received error in reply from node 1: Error: Node Unavailable",
        '@@BLOSSOM {"round": 99999999999999999999999, "x": 1}',
        '@@BLOSSOM {"\\ud800": 1}',
        '@@BLOSSOM {"round": 78, "site": "0", "accuracy": 0.999}',
        "Traceback (most recent call last):",
    ]
    breaks = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"]
    raise RuntimeError("forged" + "".join(end + line for end in breaks for line in lines))


FAULTS: dict[str, Callable[[], None]] = {
    "bad-import": bad_import,
    "missing-dependency": missing_dependency,
    "exception": exception,
    "partition-id": lost_key,
    "shape": shape_mismatch,
    "memory": out_of_memory,
    "killed": killed,
    "exit": exits,
    "disk-full": disk_full,
    "database-locked": database_locked,
    "cuda-memory": cuda_memory,
    "json": bad_json,
    "forges": forges,
}


def happen(name: str) -> None:
    """Let it go wrong; names that are not here are no fault."""
    if name in FAULTS:
        FAULTS[name]()
