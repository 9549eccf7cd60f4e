"""Seconds from kill -9 of a program to its work being done again, and whether the run lived on.

One two-site federation of real programs; each kill falls into a run of its own, at a moment of the
seed. "Again" means: the web app, which is started again at once as systemd would, answers a
request; SuperLink and executor are running by the word of our own API; a site's SuperNode is
activated by Flower, which takes a node that crashed for present for up to 60 s.

    python -m benchmarks.recovery [--smoke]
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

from benchmarks.report import Report
from tests.crash import EXECUTOR, KINDS, SUPERLINK, SUPERNODE, WEB, Crashable, pause
from tests.support import wait_for

TARGETS = {WEB: 15.0, SUPERLINK: 10.0, EXECUTOR: 10.0, SUPERNODE: 90.0}  # seconds, the median
SITE = "Site a"


def kill_in_a_run(federation: Crashable, kind: str, dice: random.Random) -> tuple[float, bool]:
    """Seconds until a killed program is back, and whether the run completed."""
    run = federation.start(f"{kind} {dice.random()}", client_sleep=1.0, min_nodes=1)
    wait_for(lambda: federation.run(run)["round"] >= 1, 120, every=0.1)
    pause(dice.uniform(0, 5))
    dead = federation.kill(kind, SITE)
    began = time.monotonic()
    federation.until_recovered(kind, dead, SITE)
    seconds = time.monotonic() - began
    return seconds, federation.ended(run)["status"] == "completed"


def main() -> None:
    """Measure each kind in turn and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="one kill of one kind, with one site")
    smoke = parser.parse_args().smoke
    kinds, turns = ((SUPERLINK,), 1) if smoke else (KINDS, 5)
    dice = random.Random(1)
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    survived: dict[str, list[float]] = {kind: [] for kind in kinds}
    with (
        tempfile.TemporaryDirectory(prefix="blossomtune-bench-") as name,
        Crashable(Path(name), *(("a",) if smoke else ("a", "b"))) as federation,
    ):
        for _ in range(turns):
            for kind in kinds:
                took, lived = kill_in_a_run(federation, kind, dice)
                seconds[kind].append(took)
                survived[kind].append(float(lived))
    report = Report("recovery")
    for kind in kinds:
        report.add(f"{kind}: kill -9 to healthy", seconds[kind], "s")
        report.add(f"{kind}: runs that completed", survived[kind], "of 1")
    for kind in kinds:
        median = report.median(f"{kind}: kill -9 to healthy")
        report.target(f"{kind}: seconds", median, TARGETS[kind], median <= TARGETS[kind])
        if kind != EXECUTOR:  # the ServerApp lives below it and dies with it: named, not survived
            share = sum(survived[kind]) / turns
            report.target(f"{kind}: runs that completed", share, 1.0, share == 1.0)
    report.print()


if __name__ == "__main__":
    main()
