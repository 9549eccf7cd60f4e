"""What libraries, the system and Flower raise is named right or shown as it is, never misnamed.

Each exception of the table is raised for real where its library is installed, and met in the three
forms in which Flower passes it on: a site's error reply, the ServerApp's log, the run's details.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from blossomtune_gradio.flower.lines.cause_table import codes
from blossomtune_gradio.flower.lines.diagnosis import (
    UNNAMED,
    Diagnosis,
    Who,
    diagnose,
    server_cause,
)
from blossomtune_gradio.flower.lines.raised import raised
from blossomtune_gradio.plain_text import plain
from tests.raising import entries

pytestmark = pytest.mark.slow
CLINIC = Who("Klinik 1", "at Klinik 1")
TABLE = {entry["id"]: entry for entry in entries()}


@pytest.fixture(scope="module")
def anew() -> dict[str, dict[str, Any]]:
    """What was raised just now, by id."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.raising"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        timeout=300,
        check=True,
    )
    return json.loads(done.stdout)


def faults(entry: dict[str, Any], cause: Diagnosis, wanted: str) -> list[str]:
    """What a person would be told wrongly."""
    what = raised(entry["said"])
    words = list(entry.get("has", ()))
    if wanted == UNNAMED:
        words.append(what.type.rpartition(".")[2])
    found = [f"lacks {word!r}" for word in words if word not in cause.text]
    found += [f"is {cause.code}, not {wanted}"] if cause.code != wanted else []
    found += ["has no evidence"] if not any(cause.evidence) else []
    return [f"{entry['id']}: {fault}: {cause.text}" for fault in found]


def test_the_table_is_large_and_says_what_each_code_is_for():
    assert len(TABLE) == len(entries()) > 200
    assert all(entry["said"] for entry in entries())
    shown = {entry["cause"] for entry in entries()} | {e.get("in_flower") for e in entries()}
    elsewhere = {  # tests/test_diagnosis.py has them
        *("site-config", "run-config", "client-killed", "node-lost", "server-killed"),
        *("certificate", "bundle-too-large"),
    }
    assert set(codes()) - shown == elsewhere


def test_everything_that_can_be_raised_here_is_raised(anew):
    assert [name for name, told in anew.items() if not told] == []
    assert len(anew) > 120


def test_a_sites_error_reply_is_named_right_or_shown_as_it_is(anew):
    wrong = []
    for name, entry in TABLE.items():
        for reason in {entry["said"], anew.get(name, entry).get("reason", entry["said"])}:
            cause = diagnose(CLINIC, reason)
            wrong += faults(entry, cause, entry["cause"])
            if "Klinik 1" not in cause.text:
                wrong.append(f"{name}: {cause.text}")
    assert wrong == []


def test_a_servers_apps_log_is_named_right_or_shown_as_it_is(anew):
    wrong = []
    for name, told in anew.items():
        entry = TABLE[name]
        cause = server_cause(told["details"], [t for line in told["log"] if (t := plain(line))])
        wrong += faults(entry, cause, entry.get("in_flower", entry["cause"]))
        if not any("Traceback" in line for line in cause.evidence):
            wrong.append(f"{name}: the traceback is gone: {cause.evidence}")
        if f"some_app/{name.replace('-', '_')}.py" not in "\n".join(cause.evidence):
            wrong.append(f"{name}: the app's own line is gone: {cause.evidence}")
    assert wrong == []


def test_flowers_details_alone_are_never_misnamed(anew):
    wrong = []
    for name, told in anew.items():
        entry = TABLE[name]
        cause = server_cause(told["details"], [])
        if cause.code not in (UNNAMED, entry["cause"], entry.get("in_flower")):
            wrong.append(f"{name}: {cause.text}")
    assert wrong == []
