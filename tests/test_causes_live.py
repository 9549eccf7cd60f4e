"""Runs of an app that asks its sites itself, with no strategy: how they end, what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from blossomtune_gradio.errors import InvalidFields
from blossomtune_gradio.store.models import Run, RunStatus
from tests.browser import watched_page
from tests.live import LiveFederation
from tests.people import ADMIN

pytest_plugins = ["tests.live_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]
COMPLETED, FAILED = RunStatus.COMPLETED, RunStatus.FAILED
PROJECT = """
[project]
name = "loop-app"
version = "1.0.0"
dependencies = ["flwr", "scikit-lurn>=1.5"]
[tool.flwr.app]
publisher = "blossomtune-tests"
[tool.flwr.app.components]
serverapp = "loop_app.both:server"
clientapp = "loop_app.both:client"
[tool.flwr.app.config]
num-server-rounds = 1
share = 0.5 # 0.0..1.0
act = ""
"""
CODE = """
from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

server = ServerApp()
client = ClientApp()


@server.main()
def main(grid: Grid, context: Context) -> None:
    act = str(context.run_config["act"])
    if act == "nothing":
        return
    content = RecordDict({"config": ConfigRecord({"act": act})})
    nodes = list(grid.get_node_ids())
    asked = [Message(content, dst_node_id=node, message_type="query") for node in nodes]
    replies = [one for one in grid.send_and_receive(asked) if one.has_content()]
    if act == "index":
        print(replies[0])


@client.query()
def query(message: Message, context: Context) -> Message:
    act = message.content["config"]["act"]
    if act == "site-key":
        print(context.node_config["dataset-path"])
    if act == "index":
        import scikit_lurn
    if act == "one" and context.node_config["partition-id"] == 0:
        {}["wall_clock_seconds"]
    return Message(RecordDict({"metrics": MetricRecord({"n": 1})}), reply_to=message)
"""
# what the app does: (how the run ends, its code, words of the card, words that must not be on it)
ENDS: dict[str, tuple[RunStatus, str, str, str]] = {
    "good": (COMPLETED, "told nothing", "told of no round", "!"),
    "nothing": (COMPLETED, "nothing done", "no site was asked for anything", "!"),
    "site-key": (FAILED, "site-config", "Add dataset-path under [node_config] of site.toml", "!"),
    "index": (FAILED, "missing-dependency", 'pip install "scikit-lurn>=1.5"', "correct the app"),
    "one": (COMPLETED, "exception", "KeyError: 'wall_clock_seconds' (at North)", "clock at"),
}


@pytest.fixture(scope="module", autouse=True)
def loop_app(federation: LiveFederation) -> None:
    app = Path(federation.app.settings.flower_apps_dir) / "loop_app"
    (app / "loop_app").mkdir(parents=True)
    (app / "pyproject.toml").write_text(PROJECT)
    (app / "loop_app" / "both.py").write_text(CODE)


@pytest.fixture(scope="module")
def ended(federation: LiveFederation) -> dict[str, Run]:
    started = {
        act: federation.app.runs.start("loop_app", ADMIN, name=act, config={"act": act})
        for act in ENDS
    }
    return {act: federation.ended(run, 300) for act, run in started.items()}


@pytest.mark.parametrize("act", ENDS)
def test_a_loop_of_an_apps_own_ends_as_its_sites_answered(ended, act):
    status, code, words, never = ENDS[act]
    run = ended[act]
    card = "\n".join([run.cause, run.advice, *run.evidence])
    assert (run.status, run.cause_code) == (status, code), card
    assert words in card
    assert never not in f"{run.cause} {run.advice}"


def test_a_failed_run_shows_cause_and_next_step_and_an_idle_one_is_amber(
    ended, federation, browser
):
    url = federation.server.url
    with watched_page(browser, url) as page:
        page.goto(f"{url}/runs?run={ended['site-key'].id}")
        expect(page.locator("#run-cause")).to_contain_text("dataset-path", timeout=30_000)
        expect(page.locator("#run-cause")).to_contain_text("North and South were not given")
        expect(page.locator("#run-advice")).to_contain_text("site.toml")
        expect(page.locator("#run-failure")).to_have_attribute("data-tone", "bad")
        page.goto(f"{url}/runs?run={ended['nothing'].id}")
        expect(page.locator("#run-cause")).to_contain_text("nothing was done", timeout=30_000)
        expect(page.locator("#run-failure")).to_have_attribute("data-tone", "busy")


def test_a_value_outside_of_its_range_is_told_at_its_field(federation, browser):
    with pytest.raises(InvalidFields, match="at least 1, got -3"):
        federation.app.runs.start("loop_app", ADMIN, config={"num-server-rounds": -3})
    url = federation.server.url
    with watched_page(browser, url) as page:
        page.goto(f"{url}/runs")
        expect(page.locator("#run-deploy")).to_be_enabled(timeout=30_000)
        page.locator("#run-app").select_option("loop_app")
        expect(page.locator("#config-share")).to_be_visible(timeout=20_000)
        rounds = page.locator('[data-field="config.num-server-rounds"]')
        expect(rounds).to_contain_text("at least 1")
        page.locator("#config-num-server-rounds").fill("-3")
        page.locator("#config-share").fill("1.5")
        expect(rounds.locator(".bt-fault")).to_contain_text("at least 1, got -3", timeout=20_000)
        fault = page.locator('[data-field="config.share"] .bt-fault')
        expect(fault).to_contain_text("share must be 0.0 to 1.0, got 1.5")
