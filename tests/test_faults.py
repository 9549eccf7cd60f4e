"""Faults as they happen, in real programs: each ends in a card with cause, evidence, next step.

Most are started at once in one federation and looked at one by one, so that it takes a minute and
not ten.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blossomtune_gradio.store.models import Run, RunStatus
from tests.live import LiveFederation
from tests.people import ADMIN

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
COMPLETED, FAILED = RunStatus.COMPLETED, RunStatus.FAILED
ONE_ROUND = {"num-server-rounds": 1}
# name: (configuration, how the run ends, the cause, words the card must have)
FAULTS: dict[str, tuple[dict[str, object], RunStatus, str, str]] = {
    "bad import": ({"server": "bad-import"}, FAILED, "bad-import", "no_such_name"),
    "missing dependency": (
        {"server": "missing-dependency"},
        FAILED,
        "missing-dependency",
        "a_library_that_is_not_installed",
    ),
    "wrong config type": ({"server": "wrong-type", "faulty": "x"}, FAILED, "wrong-config-type", ""),
    "exception of the server": ({"server": "exception"}, FAILED, "exception", "told to fail"),
    "server killed": ({"server": "killed"}, FAILED, "server-killed", "heartbeat"),
    "disk full": ({"server": "disk-full"}, FAILED, "disk-full", "No space left"),
    "database locked": ({"server": "database-locked"}, FAILED, "database-locked", "locked"),
    "partition-id": ({"client": "partition-id"}, FAILED, "partition-id", "North"),
    "one client fails": (
        {"client": "exception", "faulty": "0"},
        COMPLETED,
        "exception",
        "North",
    ),
    "all clients fail": ({"client": "exception"}, FAILED, "exception", "No site could train"),
    "not a number": ({"client": "nan"}, FAILED, "not a number", "loss"),
    "other metric names": ({"client": "other-keys", "faulty": "1"}, FAILED, "metric-keys", ""),
    "other shape": ({"client": "other-shape", "faulty": "1"}, FAILED, "shape-mismatch", ""),
    "client out of memory": ({"client": "memory"}, FAILED, "out-of-memory", "MemoryError"),
    "nothing changed": (
        {"client": "nothing-changed", "num-server-rounds": 2},
        FAILED,
        "nothing changed",
        "loss",
    ),
}


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFederation]:
    folder = tmp_path_factory.mktemp("faults")
    with LiveFederation(folder, run_slots=5) as made:
        made.app.federation.start(by=ADMIN)
        made.add_sites("North", "South")
        yield made


@pytest.fixture(scope="module")
def ended(federation: LiveFederation) -> dict[str, Run]:
    started = {
        name: federation.app.runs.start("fault_app", ADMIN, name=name, config=ONE_ROUND | config)
        for name, (config, *_) in FAULTS.items()
    }
    return {name: federation.ended(run, 300) for name, run in started.items()}


def card(run: Run) -> str:
    """All that a person reads on it."""
    return "\n".join([run.cause, run.advice, *run.evidence])


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_is_named_with_evidence_and_a_next_step(ended, name):
    _, status, code, words = FAULTS[name]
    run = ended[name]
    assert (run.status, run.cause_code) == (status, code), card(run)
    assert run.cause
    assert run.advice
    assert run.evidence
    assert words in card(run)
