"""The audit card on the Admin page, in a real browser, and its exports through the real server."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from contextlib import closing

import httpx
import pytest
from playwright.sync_api import expect

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import User
from tests.browser import watched_page
from tests.live import LiveFederation
from tests.people import ADMIN

pytest_plugins = ["tests.page_fixtures"]
pytestmark = [pytest.mark.slow]
SECOND = 1000.0
EVE = User(provider="hf", sub="eve", name="<b id='hit'>Eve</b>\x1b[31m", role=ADMIN.role)


@pytest.fixture(scope="module")
def served(seeded_page: LiveFederation) -> tuple[Application, str]:
    app = seeded_page.app
    for number in range(1, 31):
        verb = "start" if number % 2 else "stop"
        app.audit.note(ADMIN, f"run.{verb}", f"run:{number}", target_name=f"bert {number}")
    app.audit.note(EVE, "participant.deny", "participant:1", target_name="=1+1")
    return app, seeded_page.server.url


@pytest.mark.browser
def test_an_admin_filters_pages_exports_and_sees_whether_the_trail_is_whole(browser, served):
    app, url = served
    with watched_page(browser, url) as page:
        page.goto(f"{url}/admin")
        rows = page.locator("#audit tbody tr")
        expect(rows.first).to_contain_text("<b id='hit'>Eve</b>", timeout=20 * SECOND)
        expect(page.locator("#hit")).to_have_count(0)
        expect(page.locator("#audit-chain")).to_have_text("unbroken")
        page.locator("#audit-action").select_option("run.")
        expect(page.locator("#audit-count")).to_contain_text("12 of 30")
        page.locator("#audit-older").click()
        expect(rows.first).to_contain_text("bert 18")
        page.locator("#audit-newer").click()
        expect(rows.first).to_contain_text("bert 30")
        page.locator("#audit-target").fill("bert 7")
        expect(rows).to_have_count(1)
        with page.expect_download() as saved:
            page.locator("#audit-csv").click()
        text = saved.value.path().read_text()
        assert [row["target"] for row in csv.DictReader(io.StringIO(text))] == ["run:7"]
        with closing(sqlite3.connect(app.settings.data_dir / "blossomtune.db")) as db, db:
            found = db.execute("SELECT id FROM audit_entries WHERE target='run:7'")
            [(seventh,)] = found.fetchall()
            db.execute(f"UPDATE audit_entries SET actor='hf:mallory' WHERE id={seventh}")
        page.locator("#audit-check").click()
        expect(page.locator("#audit-broken")).to_contain_text(
            f"Entry {seventh}", timeout=20 * SECOND
        )
        with closing(sqlite3.connect(app.settings.data_dir / "blossomtune.db")) as db, db:
            db.execute(f"UPDATE audit_entries SET actor='{ADMIN.id}' WHERE id={seventh}")
        page.locator("#audit-check").click()
        expect(page.locator("#audit-chain")).to_have_text("unbroken")


@pytest.mark.browser
def test_a_token_is_shown_once_opens_the_interface_and_is_revoked(browser, served):
    _, url = served
    api = httpx.Client(base_url=f"{url}/api/v1", trust_env=False)
    with watched_page(browser, url) as page, api as client:
        page.goto(f"{url}/admin")
        expect(page.locator("#tokens-empty")).to_be_visible(timeout=20 * SECOND)
        page.locator("#token-name").fill("<b>nightly</b>")
        page.locator("#token-create").click()
        expect(page.locator("#token-secret")).to_have_text(re.compile("^bt_"), timeout=20 * SECOND)
        secret = page.locator("#token-secret").text_content()
        headers = {"authorization": f"Bearer {secret}"}
        assert client.get("/me", headers=headers).json()["role"] == "researcher"
        row = page.locator("#tokens tbody tr")
        expect(row).to_contain_text("<b>nightly</b>")
        page.reload()
        expect(row).to_have_count(1, timeout=20 * SECOND)
        assert secret not in page.content()
        row.get_by_role("button", name="Revoke").click()
        expect(row).to_contain_text("revoked", timeout=20 * SECOND)
        assert client.get("/me", headers=headers).status_code == 401


def test_an_export_is_kept_by_no_cache_and_a_wrong_time_is_a_problem(served):
    _, url = served
    with httpx.Client(base_url=url, trust_env=False) as client:
        done = client.get(
            "/download/audit.jsonl", params={"action": "participant.", "actor": "eve"}
        )
        assert (done.status_code, done.headers["cache-control"]) == (200, "no-store")
        assert json.loads(done.text)["actor"] == "hf:eve"
        assert "'=1+1" in client.get("/download/audit.csv").text
        wrong = client.get("/download/audit.csv", params={"since": "yesterday"})
        assert wrong.status_code == 422
        assert wrong.json()["detail"].startswith("'yesterday' is no time.")
        foreign = {"sec-fetch-site": "cross-site"}
        assert client.get("/download/audit.csv", headers=foreign).status_code == 403
        assert client.get("/download/audit.xml").status_code == 404
