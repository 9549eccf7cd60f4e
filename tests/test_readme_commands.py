"""What the README tells people to type is typed here, and does what it says there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
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
        environment = terminal() | {
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


def test_make_demo_shows_itself_until_ctrl_c(tmp_path):
    assert "make demo" in COMMANDS
    demo = Typed("make demo", tmp_path)
    demo.waits_for(r"http://127\.0\.0\.1:\d+")
    demo.waits_for("are online")
    demo.interrupt()
    assert those_of(tmp_path / "data") == []


def test_make_demo_with_data_of_ones_own_ends_with_one_object(tmp_path):
    command = next(line for line in COMMANDS if "DATA=" in line)
    data = reviews(tmp_path / "reviews")
    own = command.replace("/reviews", str(data)).replace("/model", "fresh").replace("=3", "=1")
    demo = Typed(f"{own} EXIT=1", tmp_path)
    assert demo.process.wait(420) == 0, demo.said
    result = json.loads(demo.said.splitlines()[-1])
    assert (result["status"], result["sites"], result["rounds"]) == ("completed", 2, 1)


def test_make_run_serves_until_ctrl_c(tmp_path):
    assert "make run" in COMMANDS
    served = Typed("make run", tmp_path)
    served.waits_for(r"BlossomTune is at http://127\.0\.0\.1:\d+")
    served.interrupt()
    assert those_of(tmp_path / "data") == []


def test_make_check_finds_nothing(tmp_path):
    assert "make check" in COMMANDS
    check = Typed("make check", tmp_path)
    assert check.process.wait(420) == 0, check.said
