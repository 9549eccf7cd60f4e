"""What the README tells people to type is typed here, and does what it says there."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.support import terminal
from tests.test_demo import those_of
from tests.test_readme import COMMANDS, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SCREENFUL = 240  # seconds for a page to come up on a machine that is busy with other tests


class Typed:
    """A command of the README in a shell of its own, with all data in a folder of the test."""

    def __init__(self, command: str, folder: Path) -> None:
        self._output = folder / "terminal.txt"
        (folder / "temp").mkdir()
        environment = terminal() | {
            "TMPDIR": str(folder / "temp"),
            "BLOSSOMTUNE_DATA_DIR": str(folder / "data"),
            "BLOSSOMTUNE_PORT": "0",
            "BLOSSOMTUNE_FLEET_PORT": "0",
        }
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                shell=True,
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._output.read_text()

    def waits_for(self, pattern: str) -> str:
        deadline = time.monotonic() + SCREENFUL
        while not (found := re.search(pattern, self.said)):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.1)
        return found[0]

    def interrupt(self) -> int:
        """Ctrl-C: the terminal tells everything in the foreground."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(120)


def reviews(folder: Path) -> Path:
    """A folder like the one the README calls /reviews: sixty rows a split, sorted by label."""
    folder.mkdir()
    for split in ("train", "test"):
        texts = [f"a {word} film, number {i}" for word in ("dull", "lovely") for i in range(30)]
        table = pa.table({"text": texts, "label": [0] * 30 + [1] * 30})
        parquet.write_table(table, folder / f"{split}.parquet")
    return folder


def kept(data: Path, query: str) -> list[tuple[object, ...]]:
    """What the demonstration's database says afterwards."""
    file = next(data.rglob("*.db"))
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def test_make_demo_completes_with_both_sites_and_leaves_nothing(tmp_path):
    assert "make demo EXIT=1" in COMMANDS
    demo = Typed("make demo EXIT=1", tmp_path)
    assert demo.process.wait(420) == 0, demo.said
    result = json.loads(demo.said.splitlines()[-1])
    assert (result["status"], result["sites"], result["rounds"]) == ("completed", 2, 3)
    assert len(result["accuracy"]) == len(result["loss"]) == 3
    assert result["accuracy"][-1] > result["accuracy"][0] > 0.5
    assert result["accuracy"][-1] > 0.8
    assert set(result["seconds"]) == {"install", "ready", "first_round", "total"}
    assert int(result["run_id"]) > 0
    points = kept(tmp_path / "data", "SELECT DISTINCT round, site FROM metric_points")
    assert {(number, site) for number in (1, 2, 3) for site in "01"} <= set(points)
    assert those_of(tmp_path / "data") == []
    assert list((tmp_path / "temp").iterdir()) == []


def test_make_demo_with_data_of_ones_own_shows_itself_until_ctrl_c(tmp_path):
    command = next(line for line in COMMANDS if "DATA=" in line)
    data = reviews(tmp_path / "reviews")
    demo = Typed(command.replace("/reviews", str(data)).replace("/model", "fresh"), tmp_path)
    demo.waits_for(r"http://127\.0\.0\.1:\d+")
    demo.waits_for("are online")
    listing = re.search(r"command line: (.*)", demo.said)
    assert listing
    runs = subprocess.run(listing[1].split(), cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "quickstart_huggingface" in runs.stdout, runs.stderr
    demo.waits_for("round 1: accuracy")
    demo.interrupt()
    [(config,)] = kept(tmp_path / "data", "SELECT config FROM runs")
    config = json.loads(str(config))
    assert (config["data"], config["model"], config["num-server-rounds"]) == (str(data), "fresh", 3)
    assert those_of(tmp_path / "data") == []
    assert list((tmp_path / "temp").iterdir()) == []


def test_make_run_serves_until_ctrl_c(tmp_path):
    assert "make run" in COMMANDS
    served = Typed("make run", tmp_path)
    served.waits_for(r"BlossomTune is at http://127\.0\.0\.1:\d+")
    served.interrupt()
    assert those_of(tmp_path / "data") == []
