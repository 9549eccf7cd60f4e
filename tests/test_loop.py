"""The loop of a developer: no test is left out and none runs twice, the longest start first."""

import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

from tests import durations
from tests.groups import GroupScheduling, group_of
from tests.support import terminal

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()
MARKERS = ("slow", "browser", "main", "soak", "concurrent")


def expression(name: str) -> Expression:
    """What the Makefile chooses tests by."""
    line = re.search(rf"^{name} := (.+)$", MAKEFILE, re.MULTILINE)
    assert line
    return Expression.compile(line[1])


def steps(target: str) -> str:
    """The commands that make would run."""
    command = ["make", "--dry-run", target]
    return subprocess.run(command, cwd=ROOT, env=terminal(), capture_output=True, text=True).stdout


@pytest.mark.parametrize("marked", list(itertools.product([False, True], repeat=len(MARKERS))))
def test_a_test_is_in_one_of_the_two_halves_or_it_is_of_the_soak(marked):
    marks = dict(zip(MARKERS, marked, strict=True))
    halves = [
        expression(name).evaluate(lambda mark, **_: marks[mark]) for name in ("QUICK", "REST")
    ]
    assert sum(halves) == (not marks["soak"])


def test_every_marker_that_is_used_is_thought_of_above():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert {line.partition(":")[0] for line in options["markers"]} == set(MARKERS)


def test_ci_runs_both_halves_and_every_check():
    parts = re.search(r"for part in (.+); do", (ROOT / ".ci" / "run").read_text())
    assert parts
    assert parts[1].split() == ["test", "test-rest", "check"]
    assert steps("test-all").count("-m pytest") == 2
    check = steps("check")
    for program in ("ruff check", "ruff format", "mypy", "pre-commit run"):
        assert f"/{program}" in check


def test_ci_fails_when_one_part_fails_and_still_hears_the_others(tmp_path):
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_bytes((ROOT / ".ci" / "run").read_bytes())
    (tmp_path / "Makefile").write_text("test test-rest check:\n\t@echo $@\n\t@test $@ != $(BAD)\n")
    for bad, status in (("test", 1), ("test-rest", 1), ("check", 1), ("nothing", 0)):
        done = subprocess.run(
            ["bash", tmp_path / ".ci" / "run"],
            env=terminal() | {"BAD": bad},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout.split()) == (status, ["test", "test-rest", "check"])


def test_the_table_of_durations_is_written_longest_first_and_read_back():
    text = durations.table({"test_a": 2.2, "test_b": 90.7, "test_c": 0.3})
    assert tomllib.loads(text) == {"seconds": {"test_b": 91, "test_a": 2}}
    assert text.index("test_b") < text.index("test_a")
    assert all((ROOT / "tests" / f"{name}.py").is_file() for name in durations.known())


def test_a_command_beside_which_half_a_core_is_busy_keeps_its_exit_status():
    command = [
        sys.executable,
        "-m",
        "tests.half_a_core",
        sys.executable,
        "-c",
        "raise SystemExit(7)",
    ]
    assert subprocess.run(command, cwd=ROOT).returncode == 7


def test_files_that_share_something_live_are_one_workers_and_no_file_is_torn():
    tests = ROOT / "tests"
    assert group_of(tests / "test_runs.py") == group_of(tests / "test_causes_live.py")
    assert group_of(tests / "test_browser.py") != group_of(tests / "test_runs.py")
    names = ["tests/test_runs.py::a", "tests/test_doors.py::b[x@y::z]", "tests/test_cli.py::c"]
    split = [GroupScheduling._split_scope(None, name) for name in names]
    assert split == ["live_fixtures", "live_fixtures", "test_cli"]
