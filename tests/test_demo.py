"""`make demo` that does not get to its end: it leaves nothing. `test_readme_commands` types it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parent.parent


def those_of(folder: Path) -> list[str]:
    """Every live process whose command or environment names this folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            words = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
        if any(str(folder) in word for word in words):
            found.append(f"{process.pid} {' '.join(process.cmdline())[:120]}")
    return found


class Demo:
    """One `blossomtune demo` in a folder and with a temp folder of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._temp = folder / "temp"
        self._temp.mkdir(parents=True, exist_ok=True)
        self._output = folder / "output.txt"
        command = [sys.executable, "-m", "blossomtune_gradio.cli", "demo", "--port", "0"]
        environment = {**os.environ, "TMPDIR": str(self._temp)}
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--data-dir", str(folder / "demo"), *options],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._output.read_text()

    def wait_for(self, words: str, seconds: float) -> None:
        wait_for(lambda: words in self.said or self.process.poll() is not None, seconds)
        assert words in self.said, self.said

    def left_in_temp(self) -> list[Path]:
        return list(self._temp.iterdir())


def test_a_demo_that_is_ended_before_its_sites_are_there_leaves_nothing(tmp_path):
    killed = Demo(tmp_path, "--sites", "1")
    killed.wait_for("SuperLink:", 120)
    killed.process.kill()  # what it started goes on; the next demo has to clear it away
    killed.process.wait()
    assert those_of(tmp_path / "demo")

    demo = Demo(tmp_path, "--sites", "1")  # Ctrl-C later on is typed in test_readme_commands
    demo.wait_for("SuperLink:", 120)
    demo.process.send_signal(signal.SIGTERM)
    assert demo.process.wait(90) == 130
    assert those_of(tmp_path / "demo") == []
    assert demo.left_in_temp() == []


def test_a_folder_with_something_else_in_it_is_not_emptied(tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").write_text("years of work")
    demo = Demo(tmp_path)
    assert demo.process.wait(60) == 2
    assert "is not a demonstration" in demo.said
    assert (tmp_path / "demo" / "thesis.txt").read_text() == "years of work"
