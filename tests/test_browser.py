"""The main job in a real browser, nothing faked: start, see sites, run, watch, stop."""

import re

import pytest
from playwright.sync_api import Page, expect

from blossomtune_gradio.store.models import RunStatus
from tests.browser import watched_page
from tests.live import LiveFederation
from tests.people import ADMIN
from tests.support import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.main]
SECOND = 1000.0


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory):
    with LiveFederation(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture
def page(browser, federation):
    with watched_page(browser, federation.server.url) as page:
        yield page


def deploy(page: Page, url: str, app: str, name: str, **config: object) -> None:
    """Fill the form on the Runs page and press the button."""
    page.goto(f"{url}/runs")
    expect(page.locator("#run-deploy")).to_be_enabled(timeout=20 * SECOND)
    page.locator("#run-app").select_option(app)
    expect(page.locator("#config-client-sleep")).to_be_visible()  # the chosen app's
    page.locator("#run-new-name").fill(name)
    for key, value in config.items():
        page.locator(f"#config-{key.replace('_', '-')}").fill(str(value))
    page.locator("#run-deploy").click()


def test_the_main_job(page, federation):
    url = federation.server.url
    page.goto(url)
    expect(page.get_by_text("Nothing is running yet.")).to_be_visible(timeout=20 * SECOND)
    page.goto(f"{url}/admin")
    page.locator("#superlink-start").click()
    expect(page.locator("#superlink-state")).to_have_text("running", timeout=60 * SECOND)
    federation.add_sites("North", "South")

    page.goto(url)
    expect(page.locator("#sites-online")).to_have_text("2 of 2 online", timeout=60 * SECOND)
    for name in ("North", "South"):
        expect(page.locator("#sites")).to_contain_text(name)

    deploy(page, url, "message_app", "first", client_sleep=1.0)
    expect(page.locator("#run-said")).to_contain_text("first is queued", timeout=20 * SECOND)
    page.goto(url)
    expect(page.locator("#run-name")).to_have_text("first", timeout=20 * SECOND)
    expect(page.locator("#run-round")).to_contain_text("Round 1 of 2", timeout=60 * SECOND)
    expect(page).to_have_title("first · running · BlossomTune")
    expect(page.locator("#run-status")).to_have_attribute("data-tone", "live")
    before = page.locator("#log > *").count()
    expect(page.locator("#run-status")).to_have_text("completed", timeout=90 * SECOND)
    assert page.locator("#log > *").count() > before
    expect(page.locator("#log")).to_contain_text("[ROUND 2/2]")
    expect(page.locator("#loss-chart canvas, #loss-chart svg").first).to_be_visible()
    page.get_by_text("All numbers as a table").click()
    expect(page.locator("#numbers tbody tr")).not_to_have_count(0)


def test_a_run_that_is_stopped_on_the_page_is_stopped_in_flower(page, federation):
    url = federation.server.url
    deploy(page, url, "message_app", "stopped here", client_sleep=15.0)
    waiting = page.locator("#queue li").filter(has_text="stopped here")
    expect(waiting).to_contain_text("running", timeout=60 * SECOND)
    expect(waiting).to_contain_text("0 of 2 sites have answered", timeout=60 * SECOND)
    page.goto(f"{url}/admin")  # the SuperLink is not stopped below a run without a word either
    page.locator("#superlink-stop").click(timeout=20 * SECOND)
    expect(page.locator("#superlink-card .bt-confirm")).to_contain_text("stopped here (round 1")
    page.get_by_role("button", name="Not now").click()
    page.goto(f"{url}/runs")
    waiting.get_by_role("button", name="Stop stopped here").click(timeout=20 * SECOND)
    expect(waiting.locator(".bt-confirm")).to_contain_text("round 1 of 2, 2 sites at work")
    waiting.get_by_role("button", name="Stop it").click()
    run = page.locator("#runs tbody tr").filter(has_text="stopped here")
    expect(run).to_contain_text("stopped", timeout=40 * SECOND)
    expect(run).to_contain_text("Stopped by local admin")
    row = next(r for r in federation.app.runs.list(ADMIN) if r.name == "stopped here")
    assert row.status is RunStatus.STOPPED
    fact = federation.app.superlink.control.run(int(row.flower_run_id))
    assert (fact.status, fact.sub_status) == ("finished", "stopped")


def test_the_log_view_filters_by_source_and_searches_and_pauses(page, federation):
    page.goto(federation.server.url)
    lines = page.locator("#log > *")
    expect(lines.first).to_be_visible(timeout=20 * SECOND)
    page.locator("#log-source").select_option("blossomtune")
    expect(lines.filter(has_text="North is registered")).not_to_have_count(0)
    expect(lines.filter(has_text="[ROUND 1/2]")).to_have_count(0)
    page.locator("#log-search").fill("registered")
    expect(lines.filter(has_text="superlink is running").locator("visible=true")).to_have_count(0)
    page.locator("#log-follow").click()
    expect(page.locator("#log-follow")).to_have_attribute("aria-pressed", "false")


def test_approve_and_revoke_on_the_page(page, federation):
    url = federation.server.url
    page.goto(f"{url}/admin")
    row = page.locator("#participants-table tbody tr").filter(has_text="South")
    expect(row).to_contain_text("online", timeout=30 * SECOND)
    row.get_by_role("button", name=re.compile("Revoke")).click()
    page.get_by_label("Reason").fill("contract ended")
    page.get_by_role("button", name=re.compile("^Revoke")).last.click()
    expect(row).to_contain_text("revoked", timeout=20 * SECOND)
    wait_for(lambda: "South" not in federation.online(), 20)
    wait_for(lambda: any("revoked" in line for line in federation.log("site-south")), 30)


@pytest.mark.parametrize("path", ["/", "/join", "/runs", "/admin"])
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "dark")])
def test_no_page_is_wider_than_the_screen(browser, federation, path, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    page.goto(federation.server.url + path)
    page.locator("#nav-admin").first.wait_for(timeout=20 * SECOND)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
