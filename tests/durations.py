"""How long each file of tests takes, so that the longest start first.

`make durations` writes `durations.toml`; only the order matters, so it need not be done often. What
a run did not see keeps its line.
"""

import tomllib
from collections import Counter
from pathlib import Path

import pytest
import tomli_w

TABLE = Path(__file__).parent / "durations.toml"
UNKNOWN = 30.0  # seconds, for a file with slow tests that is not in the table
_SHORT = 1.0  # seconds; shorter ones are not worth a line


def known() -> dict[str, float]:
    """Seconds by the name of the file, without `.py`."""
    seconds: dict[str, float] = tomllib.loads(TABLE.read_text("utf-8"))["seconds"]
    return seconds


class Recorder:
    """A plugin that adds up what the tests of each file took, with their fixtures."""

    def __init__(self) -> None:
        self._seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[Path(report.location[0]).stem] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Write the table anew, longest first."""
        TABLE.write_text(table(known() | self._seconds), "utf-8")


def table(seconds: dict[str, float]) -> str:
    """The text of the file."""
    names = sorted(seconds, key=lambda name: (-round(seconds[name]), name))
    return tomli_w.dumps(
        {"seconds": {name: round(seconds[name]) for name in names if seconds[name] >= _SHORT}}
    )
