"""Seconds from a site's start to *online*, and from its revocation until it is refused and gone.

Real sites with real kits, one after the other, over loopback; the SuperLink runs all the time. "The
kit starts" is the start of `python join.py` (preflight, key, SuperNode); "SuperNode" counts from
the start of that program alone. Online and refused are Flower's own words.

    python -m benchmarks.joining [--smoke]
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.report import Report
from tests.live import LiveFederation
from tests.people import ADMIN
from tests.support import wait_for

ONLINE_TARGET, REFUSED_TARGET = 5.0, 5.0  # seconds, the median


def status(federation: LiveFederation, name: str) -> str:
    """Flower's word on a site, "" while it does not know it."""
    nodes = federation.app.superlink.control.nodes()
    return next((node.status for node in nodes if node.name == name), "")


def since(began: float, condition: Callable[[], bool]) -> float:
    """Seconds from `began` (wall clock) until the condition is true."""
    wait_for(condition, 120, every=0.05)
    return time.time() - began


def began_at(folder: Path, program: str) -> float:
    """When a program of the site was started, wall clock."""
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if any(program in w for w in words[:3]) and any(str(folder) in w for w in words):
            return float(process.create_time())
    raise RuntimeError(f"No {program} runs for {folder}.")


def one_site(federation: LiveFederation, name: str, note: Callable[[str, float], None]) -> None:
    """Let a site come and go."""
    began = time.time()
    federation.add_sites(name)
    online, folder = time.time(), federation.folder / "sites" / name
    note("asked, approved, kit, online", online - began)
    note("kit starts to online", online - began_at(folder, "join.py"))
    note("SuperNode starts to online", online - began_at(folder, "flower-supernode"))
    began = time.time()
    federation.app.participants.revoke(federation.participant(name), ADMIN, "the measurement ends")
    note("revoked to refused", since(began, lambda: status(federation, name) == "unregistered"))
    told = f"site-{name.lower().replace(' ', '-')}"
    note(
        "revoked to the site's own word",
        since(began, lambda: any("revoked" in line for line in federation.log(told))),
    )
    federation.sites.pop(name).leave()


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="one site, to see that it works")
    smoke = parser.parse_args().smoke
    figures: dict[str, list[float]] = {}
    with (
        TemporaryDirectory(prefix="blossomtune-bench-") as folder,
        LiveFederation(Path(folder)) as federation,
    ):
        federation.app.federation.start(by=ADMIN)
        superlink = federation.app.superlink.status.pid
        for number in range(1 if smoke else 5):
            one_site(
                federation,
                f"Site {number}",
                lambda name, value: figures.setdefault(name, []).append(value),
            )
        if federation.app.superlink.status.pid != superlink:
            raise RuntimeError("The SuperLink was started again: the figures mean nothing.")
    report = Report("joining")
    for name, values in figures.items():
        report.add(name, values, "s")
    for name, target in (
        ("SuperNode starts to online", ONLINE_TARGET),
        ("revoked to refused", REFUSED_TARGET),
    ):
        median = report.median(name)
        report.target(name, median, target, median <= target)
    report.print()


if __name__ == "__main__":
    main()
