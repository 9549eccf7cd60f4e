"""Stopped and started again: everything is still there, and what ran goes on."""

from pathlib import Path

import pytest

from blossomtune_gradio.application import Application
from blossomtune_gradio.store.models import RunStatus
from blossomtune_gradio.web.server import WebServer
from tests.live import PATH, LiveFederation
from tests.people import ADMIN
from tests.support import free_port, wait_for

pytestmark = pytest.mark.slow


def test_runs_logs_metrics_and_sites_are_there_again(tmp_path: Path):
    with LiveFederation(tmp_path) as before:
        before.app.federation.start(by=ADMIN)
        before.add_sites("North")
        run = before.ended(before.start("message_app", min_nodes=1))
        assert run.status is RunStatus.COMPLETED
        values = before.app.metrics.values(run.id, ADMIN)
        settings = before.app.settings
    sources = [name for name in before.app.logs.sources() if name != "blossomtune"]
    logs = {source: before.log(source) for source in sources}

    after = Application(settings, PATH)
    try:
        again = after.runs.get(run.id, ADMIN)
        assert (again.status, again.config, again.round) == (run.status, run.config, 2)
        assert after.metrics.values(run.id, ADMIN) == values
        assert [p.site for p in after.participants.list(ADMIN)] == ["North"]
        for source, lines in logs.items():
            page = after.logs.since({source: 0}, [source], limit=100_000)
            assert [line.text for line in page.lines] == lines
    finally:
        after.close()


def test_a_run_goes_on_when_the_web_app_vanishes_and_comes_back(tmp_path: Path):
    with LiveFederation(tmp_path, fleet_port=free_port()) as first:
        first.app.federation.start(by=ADMIN)
        first.add_sites("North", "South")
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
                source = f"run-{run.id}"
                page = second.logs.since({source: 0}, [source], limit=100_000)
                text = [line.text for line in page.lines]
                for number in (1, 2, 3):
                    assert text.count(f"[ROUND {number}/3]") == 1
        finally:
            second.close()
