"""Each benchmark runs, in small, and ends with the one line of JSON it promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import names
from tests.browser_install import system_chromium
from tests.support import terminal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", names())
def test_a_smoke_run_ends_with_the_promised_line(name):
    if name in ("startup", "participants_table") and system_chromium() is None:
        pytest.skip("NO BROWSER: this benchmark needs Chromium. Run `make browser`.")
    done = subprocess.run(
        ["make", "bench", f"ONLY={name}", "SMOKE=1"],  # as the README has it
        cwd=ROOT,
        env=terminal(),
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["benchmark"] == name
    assert result["versions"]["flwr"]
    assert result["machine"]["cores"]
    assert isinstance(result["targets"], dict)
    for figure in result["figures"].values():
        assert figure["min"] <= figure["median"] <= figure["max"]


def test_an_unknown_name_lists_those_there_are():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nonsense"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "startup" in done.stdout
