"""Stopped and started again: everything is still there, and what ran goes on."""

from pathlib import Path

import pytest

from blossomtune_gradio.application import Application
from blossomtune_gradio.services.runs.metrics import Value
from blossomtune_gradio.store.models import Run, RunStatus
from blossomtune_gradio.web.server import WebServer
from tests.live import PATH, LiveFederation
from tests.people import ADMIN
from tests.support import free_port, wait_for

pytestmark = pytest.mark.slow


def test_a_run_goes_on_when_the_web_app_vanishes_and_comes_back(tmp_path: Path):
    with LiveFederation(tmp_path, fleet_port=free_port()) as first:
        first.app.federation.start(by=ADMIN)
        first.add_sites("North", "South")
        old = first.ended(first.start("numpy_app", num_server_rounds=1))
        assert old.status is RunStatus.COMPLETED
        values, said = first.app.metrics.values(old.id, ADMIN), first.log(f"run-{old.id}")
        assert values
        assert said
        run = first.start("message_app", client_sleep=3.0, num_server_rounds=3)
        wait_for(lambda: first.app.runs.get(run.id, ADMIN).round == 1, 60)
        pid = first.app.federation.superlink.pid
        first.server.close()
        first.app.close(leave_running=True)  # all that a kill -9 would leave undone

        second = Application(first.app.settings, PATH)
        try:
            with WebServer(second):
                second.open()
                wait_for(lambda: second.runs.get(run.id, ADMIN).status.is_end, 120)
                ended = second.runs.get(run.id, ADMIN)
                assert ended.status is RunStatus.COMPLETED, ended.cause
                assert second.federation.superlink.pid == pid
                for number in (1, 2, 3):
                    assert lines(second, run.id).count(f"[ROUND {number}/3]") == 1
                assert_kept(second, old, values, said)
        finally:
            second.close()
    third = Application(second.settings, PATH)  # after an orderly end, too
    try:
        assert_kept(third, old, values, said)
        assert third.runs.get(run.id, ADMIN).status is RunStatus.COMPLETED
        assert {p.site for p in third.participants.list(ADMIN)} == {"North", "South"}
    finally:
        third.close()


def assert_kept(app: Application, run: Run, values: list[Value], said: list[str]) -> None:
    """The run is as it was, with its points and its log."""
    again = app.runs.get(run.id, ADMIN)
    assert (again.status, again.config) == (run.status, run.config)
    assert app.metrics.values(run.id, ADMIN) == values
    assert lines(app, run.id) == said


def lines(app: Application, run_id: int) -> list[str]:
    """The whole log of a run."""
    source = f"run-{run_id}"
    return [line.text for line in app.logs.since({source: 0}, [source], limit=100_000).lines]
