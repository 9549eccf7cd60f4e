"""Seconds from the click on Deploy to a running ServerApp, against a bare `flwr run`.

Both on the same SuperLink and executor, in turns, with the same app and no other run. The bare side
is the command a person would type; ours is the call the button makes. "Running" is what Flower's
own Control API says.

    python -m benchmarks.start_latency [--smoke]
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.report import Report
from blossomtune_gradio.flower.link import commands
from blossomtune_gradio.services.runtimes.superlink import CONNECTION
from tests.live import LiveFederation
from tests.people import ADMIN
from tests.support import wait_for

APP = "numpy_app"
TARGET = 1.1  # times the bare command
CONFIG = {"min-nodes": 1}  # no site is there, so the ServerApp comes up and waits


def running(federation: LiveFederation, flower_id: int) -> bool:
    """Whether Flower says that the ServerApp of this run is up."""
    fact = federation.app.superlink.control.run(flower_id)
    return fact is not None and fact.status == "running"


def stop(federation: LiveFederation, flower_id: int) -> None:
    """End it and wait until nothing of it is left."""
    control = federation.app.superlink.control
    control.stop(flower_id)
    wait_for(lambda: (fact := control.run(flower_id)) is not None and fact.finished, 60)


def bare(federation: LiveFederation, folder: Path) -> float:
    """Seconds of the command line's way."""
    config = folder / "bare.toml"
    config.write_text("".join(f"{key} = {value}\n" for key, value in CONFIG.items()))
    argv = commands.run_argv(federation.app.apps.get(APP).path, CONNECTION, config)
    environment = federation.app.superlink.connection.environment
    began = time.monotonic()
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120)
    flower_id = commands.parse_run_output(done.stdout + done.stderr)
    wait_for(lambda: running(federation, flower_id), 60, every=0.02)
    seconds = time.monotonic() - began
    stop(federation, flower_id)
    return seconds


def ours(federation: LiveFederation) -> float:
    """Seconds of our way."""
    runs = federation.app.runs
    began = time.monotonic()
    run = runs.start(APP, ADMIN, config=CONFIG)
    wait_for(lambda: runs.get(run.id, ADMIN).flower_run_id, 60, every=0.02)
    flower_id = int(runs.get(run.id, ADMIN).flower_run_id or 0)
    wait_for(lambda: running(federation, flower_id), 60, every=0.02)
    seconds = time.monotonic() - began
    runs.stop(run.id, ADMIN)
    federation.ended(run, 60)
    stop(federation, flower_id)
    return seconds


def main() -> None:
    """Measure in turns and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="one turn, to see that it works")
    turns = 1 if parser.parse_args().smoke else 15
    figures: dict[str, list[float]] = {"flwr run": [], "ours": []}
    with (
        tempfile.TemporaryDirectory(prefix="blossomtune-bench-") as name,
        LiveFederation(Path(name)) as federation,
    ):
        federation.app.federation.start(by=ADMIN)
        for turn in range(turns):
            sides = [("flwr run", lambda: bare(federation, Path(name)))]
            sides.append(("ours", lambda: ours(federation)))
            for side, measured in sides[:: 1 if turn % 2 else -1]:  # neither is always first
                figures[side].append(measured())
    report = Report("start_latency")
    for side, values in figures.items():
        report.add(f"{side}: start to ServerApp running", values, "s")
    ratios = [a / b for a, b in zip(figures["ours"], figures["flwr run"], strict=True)]
    report.add("ours / flwr run, paired", ratios, "x")
    ratio = report.median("ours / flwr run, paired")
    report.target("start latency, ours / flwr run", ratio, TARGET, ratio <= TARGET)
    report.print()


if __name__ == "__main__":
    main()
