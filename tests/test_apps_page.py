"""The card of apps in a real browser: what is broken, a README that means harm, a new app."""

import os
import re

import pytest
from playwright.sync_api import expect

from blossomtune_gradio.application import Application
from blossomtune_gradio.views.app import AppRow
from blossomtune_gradio.web.server import WebServer
from tests.browser import watched_page
from tests.hostile_apps import HOSTILE, write_good_app
from tests.live import live_settings

SHOWN = ("escaping_link", "readme_with_scripts", "bad_habits", "odd_keys", "wide_toml")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("apps-page")
    settings = live_settings(folder)
    for name in SHOWN:
        write_good_app(settings.flower_apps_dir / name, folder / "canary")
        HOSTILE[name][0](settings.flower_apps_dir / name, "")
    app = Application(settings, os.environ["PATH"])
    with WebServer(app) as server:
        yield server, app
    app.close()


@pytest.mark.browser
@pytest.mark.slow
def test_apps_are_shown_with_what_to_fix_and_a_new_one_appears(browser, server):
    web, app = server
    with watched_page(browser, web.url) as page:
        page.goto(f"{web.url.rstrip('/')}/runs")
        broken = page.locator("#app-escaping_link")
        expect(broken).to_contain_text("cannot run", timeout=60_000)
        expect(broken).to_contain_text("is a link that leads out of the app")
        expect(page.locator("#app-bad_habits")).to_contain_text("ready, with warnings")
        expect(page.locator("#app-wide_toml")).to_contain_text("12000 settings")

        page.click("#app-settings-message_app summary")
        row = page.locator("#app-settings-message_app tr", has_text="client-sleep")
        expect(row).to_contain_text("seconds a client takes for its training")
        expect(row).to_contain_text("float")

        page.click("#app-readme-readme_with_scripts summary")
        readme = page.locator("#app-readme-readme_with_scripts .bt-readme")
        expect(readme).to_contain_text("<script>alert(1)</script>")
        assert readme.locator("script, img, iframe, style").count() == 0

        page.fill("#new-app-name", "1st")
        page.click("#new-app-make")
        expect(page.locator("#new-app-said")).to_contain_text("cannot be the name of an app")
        assert page.input_value("#new-app-name") == "1st"
        page.fill("#new-app-name", "heart-study")
        page.fill("#new-app-title", "Heart study")
        page.click("#new-app-make")
        made = page.locator("#app-heart-study")
        expect(made).to_contain_text("Heart study", timeout=30_000)
        expect(made.locator(".bt-lamp")).to_have_text("ready")
        assert app.apps.get("heart-study").findings == ()
        listed = page.locator("#run-app option[value=heart-study]")
        expect(listed).to_have_count(1)  # it can be chosen without a reload
        made.get_by_role("button", name="Deploy heart-study").click()
        expect(page.locator("#run-app")).to_have_value("heart-study")
        expect(page.locator("#run-deploy")).to_be_enabled()

        (app.apps.folder / "heart-study" / "heart_study" / "task.py").unlink()
        (app.apps.folder / "heart-study" / "heart_study" / "server_app.py").write_text("app = (")
        expect(made).to_contain_text("was never closed", timeout=30_000)  # seen without a reload
        expect(listed).to_contain_text("cannot run")
        expect(page.locator("#run-deploy")).to_be_disabled()
        expect(made.get_by_role("button", name="Deploy heart-study")).to_be_hidden()


def test_what_is_sent_of_an_app_is_short_and_can_be_shown(server):
    _, app = server
    for one in app.apps.apps():
        row = AppRow.of(one).to_json()
        assert len(str(row)) < 60_000
        for field in row["fields"]:
            assert field["key"].isprintable()
            assert field["default"].isprintable()
    wide = AppRow.of(app.apps.get("wide_toml")).to_json()
    assert (len(wide["fields"]), wide["more_fields"]) == (100, 11_900)
    odd = AppRow.of(app.apps.get("odd_keys")).to_json()["fields"]
    assert not re.search("[\u202e\x1b]", str(odd))
