"""What we tell the federation's admin about this site, so that a fault here can be helped with.

The result of the checks, versions, free disk, processors, which of the packages that apps use are
here, and the names of the keys in [node_config]: that much, unless site.toml says `report = false`.
With `share_log = true` also our last lines of output when a training task failed. Names of folders
are left out. A report that cannot be handed in stops nothing.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from .kit import Site
from .needs import App, known_modules, node_keys, told_apps
from .needs import look as look_at_needs
from .preflight import FAIL, WARN, Check, look
from .server import hand_report_in
from .words import Problem, Unreachable, say

TAIL_BYTES = 60_000
TAIL_EVERY = 60.0  # seconds between two reports of failures
_FAILURE = ("raised an exception", " ended with code ", "failed outside of its app")


class Reports:
    """Collects what is told, and tells it."""

    def __init__(self, site: Site, checks: list[Check], fingerprint: str = "") -> None:
        self.checks, self.fingerprint = checks, fingerprint
        self._site, self._apps = site, list[App]()
        self._tail: deque[str] = deque(maxlen=2000)
        self._failed_at = 0.0
        self._sent_at = float("-inf")

    def learn(self, answer: dict[str, Any]) -> Check:
        """Look whether the apps the server names find what they need here; kept as a check."""
        self._apps = told_apps(answer)
        found = look("apps", lambda: look_at_needs(self._site, self._apps))
        self.checks = [one for one in self.checks if one.name != "apps"] + [found]
        return found

    def learn_aloud(self, answer: dict[str, Any]) -> None:
        """The same, told in the terminal where something is missing."""
        found = self.learn(answer)
        if found.state == WARN:
            say(found.line())

    def send(self, tail: str = "") -> str:
        """Hand a report in, if the site wants that; returns what went wrong, or ""."""
        if not self._site.report:
            return ""
        try:
            hand_report_in(self._site, self._content(tail))
        except (Problem, Unreachable) as error:
            return str(error)
        return ""

    def send_aside(self, tail: str = "") -> None:
        """The same without waiting for it."""
        threading.Thread(target=self.send, args=(tail,), daemon=True).start()

    def hear(self, line: str) -> None:
        """Take one line of output of the SuperNode or a training task."""
        if self._site.share_log and self._site.report:
            self._tail.append(line)
            if any(words in line for words in _FAILURE):
                self._failed_at = time.monotonic()

    def tend(self) -> None:
        """Call it often: tells of a failure once its last words have been heard."""
        now = time.monotonic()
        if self._failed_at and now - self._failed_at > 2 and now - self._sent_at > TAIL_EVERY:
            self._failed_at, self._sent_at = 0.0, now
            say("A training task failed; its last lines are sent to the federation (share_log).")
            self.send_aside(last_lines(list(self._tail), TAIL_BYTES))

    def _content(self, tail: str) -> dict[str, Any]:
        return {
            "fingerprint": self.fingerprint,
            "good": not any(check.state == FAIL for check in self.checks),
            "checks": [
                {
                    "name": check.name,
                    "state": check.state,
                    "sentence": without_paths(self._site, check.sentence)[:600],
                }
                for check in self.checks
            ],
            "versions": versions(),
            "machine": machine(self._site.folder),
            "modules": known_modules(self._site, self._apps),
            "node_keys": node_keys(self._site),
            "tail": tail,
        }


def last_lines(lines: list[str], most: int) -> str:
    """As many whole lines from the end as fit into so many bytes."""
    kept: list[str] = []
    for line in reversed(lines):
        most -= len(line.encode())
        if most < 0:
            break
        kept.append(line)
    return "".join(reversed(kept))


def without_paths(site: Site, sentence: str) -> str:
    """The sentence without the names of our folders."""
    values = [v for v in site.node_config.values() if isinstance(v, str) and len(v) > 1]
    ours = {
        sys.executable: "(python)",
        str(site.folder): "(kit)",
        **dict.fromkeys(values, "(data)"),
    }
    for path in sorted(ours, key=len, reverse=True):
        sentence = sentence.replace(path, ours[path])
    return sentence


def versions() -> dict[str, str]:
    try:
        flwr = importlib.metadata.version("flwr")
    except importlib.metadata.PackageNotFoundError:
        flwr = ""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return {"python": platform.python_version(), "flwr": flwr, "os": system[:100]}


def machine(folder: Path) -> dict[str, Any]:
    return {
        "cpus": os.cpu_count() or 0,
        "memory_mb": memory_mb(),
        "free_disk_mb": shutil.disk_usage(folder).free // 1_000_000,
        "gpus": gpus(),
    }


def memory_mb() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000
    except (ValueError, OSError):
        return 0


def gpus() -> list[str]:
    """Names of NVIDIA cards, as the driver tells them in a file; starting its tool takes long."""
    names = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        try:
            lines = file.read_text().splitlines()
        except OSError:
            continue
        names += [
            line.partition(":")[2].strip()[:100] for line in lines if line.startswith("Model")
        ]
    return names[:16]
