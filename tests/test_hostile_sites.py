"""What a participant can say in an error: it is shown as theirs, and moves nothing else."""

from __future__ import annotations

import pytest

from blossomtune_gradio.store.models import RunStatus
from tests.live import LiveFederation
from tests.people import ADMIN

pytest_plugins = ["tests.live_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
# The server's part, whose answers are bad, and which sites are to be named.
RUNS = {
    "a strategy of Flower's": ("ok", "0", {"North"}),
    "an app with a loop of its own": ("own-grid", "0", {"North"}),
    "all fail in a loop of its own": ("own-grid", "all", {"North", "South"}),
}


@pytest.fixture(scope="module")
def ended(federation: LiveFederation) -> dict[str, int]:
    started = {
        name: federation.start(
            "fault_app", num_server_rounds=1, server=server, client="forges", faulty=faulty
        )
        for name, (server, faulty, _) in RUNS.items()
    }
    return {name: federation.ended(run, 240).id for name, run in started.items()}


@pytest.mark.parametrize("name", RUNS)
def test_an_error_is_that_of_its_site_and_moves_nothing(federation, ended, name):
    run = federation.app.runs.get(ended[name], ADMIN)
    sites = {row.name: row for row in federation.app.history.sites(run.id, ADMIN)}
    _, _, named = RUNS[name]
    assert run.status is RunStatus.COMPLETED or named == {"North", "South"}, run.cause
    assert run.round <= 1
    points = federation.app.metrics.values(run.id, ADMIN)
    assert not [point for point in points if "accuracy" in point.name or point.round > 1], points
    assert {n for n, row in sites.items() if row.failures} == named
    counts = {name: (row.asked, row.answered) for name, row in sites.items()}
    assert set(counts.values()) == {(1, 1)}, counts
    assert {n for n, row in sites.items() if row.last_error.startswith("RuntimeError")} == named
    told = [e.text for e in federation.app.history.events(run.id, ADMIN) if "failed" in e.text]
    assert {text.partition(" failed: ")[0] for text in told[: len(named)]} == named
    assert run.cause_code != "internal"
    log = federation.log(f"run-{run.id}")
    assert not [line for line in log if line.startswith(("[ROUND 77", "@@BLOSSOM"))], log
