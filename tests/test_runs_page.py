"""The Runs page in a real browser: form, queue, waiting card, history, one run, links."""

import shutil

import httpx
import pytest
from playwright.sync_api import Page, expect

from blossomtune_gradio.services.runs.limits import RunLimits
from blossomtune_gradio.store.models import RunStatus
from tests.axe import violations
from tests.browser import watched_page
from tests.people import ADMIN
from tests.support import wait_for

pytest_plugins = ["tests.live_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]
SECOND = 1000.0
SHORT = {"min-nodes": 1, "num-server-rounds": 1}


@pytest.fixture
def page(browser, federation):
    with watched_page(browser, federation.server.url) as page:
        page.goto(f"{federation.server.url}/runs")
        expect(page.locator("#run-deploy")).to_be_enabled(timeout=30 * SECOND)
        yield page


def choose(page: Page, app: str) -> None:
    page.locator("#run-app").select_option(app)
    expect(page.locator("#run-deploy")).to_be_enabled(timeout=20 * SECOND)  # the form is that app's
    expect(page.locator("#run-about-app")).to_contain_text("1.0.0")
    sample = "#config-size" if app == "message_app" else "#config-min-nodes"
    expect(page.locator(sample)).to_be_visible(timeout=20 * SECOND)


def names(federation) -> list[str]:
    return [run.name for run in federation.app.runs.list(ADMIN)]


def test_a_setting_of_several_lines_keeps_its_breaks(page, federation):
    folder = federation.app.settings.flower_apps_dir / "lines_app"
    shutil.copytree(federation.app.apps.get("message_app").path, folder)
    project = folder / "pyproject.toml"
    text = project.read_text().replace("message-app", "lines-app")
    project.write_text(text + '\nprompt = """\nDear {name},\n\n  tell me.\n"""\n')
    page.reload()
    page.locator("#run-app option[value='lines_app']").wait_for(state="attached")
    page.locator("#run-app").select_option("lines_app")
    area = page.locator("textarea#config-prompt")
    expect(area).to_have_value("Dear {name},\n\n  tell me.\n", timeout=20 * SECOND)
    area.press("End")
    area.press_sequentially("!")
    expect(page.locator("#run-changed")).to_have_text("1 changed")
    page.locator("summary", has_text="The command").click()
    expect(page.locator("#run-command")).to_contain_text(r"\n\n  tell me.\n!", timeout=20 * SECOND)
    area.press("Backspace")
    expect(page.locator("#run-changed")).to_have_text("all as the app has it")
    expect(page.locator("#run-command")).not_to_contain_text("tell me", timeout=20 * SECOND)
    shutil.rmtree(folder)


def test_a_wrong_value_is_told_at_its_field_and_nothing_starts_or_is_lost(page, federation):
    choose(page, "message_app")
    page.locator("#run-new-name").fill("wrong")
    page.locator("#config-size").fill("2.5")
    page.locator("#config-note").fill('with "quotes"')
    page.locator("#config-evaluate").uncheck()
    page.locator("#run-min-sites").fill("-1")
    expect(page.locator("#run-changed")).to_have_text("3 changed")
    fault = page.locator('[data-field="config.size"] .bt-fault')
    expect(fault).to_contain_text("size must be a whole number", timeout=20 * SECOND)
    page.locator("#run-deploy").click()
    expect(page.locator("#run-said")).to_contain_text("Nothing was started", timeout=20 * SECOND)
    expect(fault).to_be_visible()
    expect(page.locator('[data-field="min_sites"] .bt-fault')).to_contain_text("minimum number")
    expect(page.locator("#config-size")).to_have_value("2.5")
    expect(page.locator("#config-note")).to_have_value('with "quotes"')
    assert "wrong" not in names(federation)
    choose(page, "numpy_app")  # what was typed for one app is there again when one comes back
    choose(page, "message_app")
    expect(page.locator("#config-size")).to_have_value("2.5")


def test_nothing_is_deployed_while_the_form_is_still_that_of_another_app(page):
    choose(page, "message_app")
    button = page.locator("#run-deploy")
    page.evaluate(
        """() => {
          const seen = window.seen = [];
          const button = document.querySelector("#run-deploy");
          new MutationObserver(() => seen.push(button.disabled))
            .observe(button, {attributes: true, attributeFilter: ["disabled"]});
        }"""
    )
    page.locator("#run-app").select_option("numpy_app")
    expect(button).to_be_enabled(timeout=20 * SECOND)
    assert page.evaluate("window.seen")[0], "it could be pressed before the form was there"


def test_a_double_click_is_one_run_that_waits_with_a_card_and_can_be_cancelled(page, federation):
    choose(page, "numpy_app")
    page.locator("#run-new-name").fill("clicked twice")
    page.locator("#run-min-sites").fill("3")
    page.locator("#run-quorum").fill("600")
    page.locator("#run-deploy").dblclick()
    expect(page.locator("#run-said")).to_contain_text(
        "clicked twice is queued", timeout=20 * SECOND
    )
    row = page.locator("#queue li.bt-open").filter(has_text="clicked twice")
    expect(row).to_have_count(1, timeout=20 * SECOND)
    expect(row.locator(".bt-callout")).to_contain_text("Needs 3 sites, 2 online")
    expect(row).to_contain_text("the run is stopped")
    assert names(federation).count("clicked twice") == 1
    up, down = (
        row.get_by_role("button", name=f"Move clicked twice {way}") for way in ("up", "down")
    )
    expect(up.or_(down)).to_have_count(0)  # it is alone
    behind = federation.app.runs.start(
        "numpy_app", ADMIN, name="behind it", limits=RunLimits(min_sites=3)
    )
    down.click(timeout=20 * SECOND)
    expect(row).to_contain_text("queued, place 2", timeout=20 * SECOND)
    expect(up).to_be_visible()
    expect(down).to_be_hidden()
    federation.app.runs.stop(behind.id, ADMIN)
    row.get_by_role("button", name="Cancel clicked twice").click()
    ended = page.locator("#runs tbody tr").filter(has_text="clicked twice")
    expect(ended).to_contain_text("stopped", timeout=20 * SECOND)
    expect(ended).to_contain_text("took it out of the queue")


def test_a_preset_fills_the_form_again(page, federation):
    choose(page, "message_app")
    page.locator("#config-size").fill("7")
    page.get_by_text("Save as preset").click()
    page.locator("#run-preset-name").fill("seven")
    page.locator("#run-keep").click()
    expect(page.locator("#run-said")).to_contain_text("seven is saved", timeout=20 * SECOND)
    page.reload()
    expect(page.locator("#run-deploy")).to_be_enabled(timeout=30 * SECOND)
    choose(page, "message_app")
    page.locator("#run-preset").select_option(label="seven (local admin)")
    expect(page.locator("#config-size")).to_have_value("7")
    page.get_by_text("The command", exact=True).click()
    expect(page.locator("#run-command")).to_contain_text("size=7", timeout=20 * SECOND)


def test_a_failed_run_shows_the_cause_what_to_do_and_the_lines_that_show_it(page, federation):
    run = federation.app.runs.start("message_app", ADMIN, config={"mode": "raise"})
    assert federation.ended(run).status is RunStatus.FAILED
    page.goto(f"{federation.server.url}/runs?run={run.id}")
    expect(page.locator("#run-cause")).to_contain_text("No site could train", timeout=20 * SECOND)
    expect(page.locator("#run-advice")).to_contain_text("then start the run again")
    expect(page.locator("#run-evidence")).to_be_visible()
    expect(page.locator("#run-evidence")).to_contain_text("North: ")
    expect(page.locator("#run-evidence")).not_to_contain_text("<class")
    expect(page.locator("#run-tails details")).to_have_count(0)  # no site here shares its output


def test_history_one_run_its_log_lines_and_run_again(page, federation):
    run = federation.app.runs.start(
        "message_app", ADMIN, name="shown in full", config={"size": 4}, tags=["paper"]
    )
    assert federation.ended(run).status is RunStatus.COMPLETED
    page.locator("#runs-search").fill("paper")
    rows = page.locator("#runs tbody tr")
    expect(rows).to_have_count(1, timeout=20 * SECOND)
    rows.get_by_role("link", name="shown in full").click()
    expect(page.locator("#run-title")).to_have_text("shown in full", timeout=20 * SECOND)
    assert page.url.endswith(f"/runs?run={run.id}")
    expect(page.locator("#run-state")).to_have_text("completed")
    expect(page).to_have_title("shown in full · completed · BlossomTune")
    assert violations(page) == []
    expect(page.locator("#run-sites")).to_contain_text("North")
    expect(page.locator("#run-events")).to_contain_text("Round 2 begins")
    expect(page.locator("#run-numbers")).to_contain_text("local admin")
    plot = page.locator("#loss-chart canvas, #loss-chart svg")
    expect(plot.first).to_be_visible(timeout=30 * SECOND)

    page.locator("#run-pin").click()
    expect(page.locator("#run-pin")).to_contain_text("Pinned", timeout=20 * SECOND)
    line = page.locator("#log .bt-line").filter(has_text="[ROUND 2/2]")
    expect(line).to_have_count(1, timeout=20 * SECOND)
    address = line.locator("a").get_attribute("href")
    page.goto(f"{federation.server.url}/{address}")
    linked = page.locator("#log .bt-linked")
    expect(linked).to_contain_text("[ROUND 2/2]", timeout=30 * SECOND)
    expect(linked).to_be_in_viewport()
    page.locator("#log-level").select_option("errors")
    expect(page.locator("#log .bt-line").locator("visible=true")).to_have_count(0)

    page.locator("#run-again").click()
    expect(page.locator("#config-size")).to_have_value("4", timeout=20 * SECOND)
    expect(page.locator("#run-tags")).to_have_value("paper")
    page.locator("#run-new-name").fill("once more")
    page.locator("#run-deploy").click()
    wait_for(lambda: "once more" in names(federation), 20)
    again = next(r for r in federation.app.runs.list(ADMIN) if r.name == "once more")
    assert again.config["size"] == 4
    federation.app.runs.stop(again.id, ADMIN)
    federation.ended(again)


def test_the_log_can_be_downloaded_and_a_run_deleted(page, federation):
    run = federation.app.runs.start("numpy_app", ADMIN, name="goes away", config=SHORT)
    federation.ended(run)
    url = f"{federation.server.url}/download/run/{run.id}/log"
    answer = httpx.get(url, trust_env=False)
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.text.count("@@BLOSSOM") == sum(
        "@@BLOSSOM" in line for line in federation.log(f"run-{run.id}")
    )
    page.goto(f"{federation.server.url}/runs?run={run.id}")
    page.locator("#run-delete").click(timeout=30 * SECOND)
    page.get_by_role("button", name="Not now").click()
    expect(page.locator("#run-delete-yes")).to_have_count(0)
    assert "goes away" in names(federation)
    page.locator("#run-delete").click()
    page.locator("#run-delete-yes").click()
    expect(page.locator("#runs")).to_be_visible(timeout=20 * SECOND)
    expect(page.locator("#runs")).not_to_contain_text("goes away", timeout=20 * SECOND)
    assert "goes away" not in names(federation)
    assert httpx.get(url, trust_env=False).status_code == 404


def test_a_page_whose_server_is_silent_says_so_and_claims_nothing(browser, federation):
    page = browser.new_context().new_page()
    page.goto(f"{federation.server.url}/runs")
    expect(page.locator("#queue-empty")).to_have_text("Nothing runs and nothing waits.")
    expect(page).to_have_title("Runs · BlossomTune")
    page.context.set_offline(True)
    expect(page.locator("#alerts")).to_contain_text("The server has not answered since")
    expect(page.locator("#queue-empty")).to_contain_text("Not known while the server")
    page.context.set_offline(False)
    expect(page.locator("#queue-empty")).to_have_text("Nothing runs and nothing waits.")
    expect(page.locator("#alerts > *")).to_have_count(0)
    page.context.close()
