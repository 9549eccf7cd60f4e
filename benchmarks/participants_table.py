"""The table of participants with 10 000 of them: seconds until it can be used, bytes, actions.

A real page in a real browser, each time with an empty cache; a bare one-line Gradio page of the
same versions is opened in turns with it, so that a busy machine can be told from a slow table.
Usable means: rows are there and a box can be ticked. The database is filled by hand, the SuperLink
is off.

    python -m benchmarks.participants_table [--smoke]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.report import Report
from benchmarks.web_pages import started
from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import LOCAL_ADMIN
from blossomtune_gradio.services.review.query import SITES, Query
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.web.server import WebServer
from tests.browser import ARGUMENTS
from tests.browser_install import system_chromium
from tests.crowd import crowd

AT_ONCE = 25  # rows of a page, all approved with one click
USABLE_TARGET, WIRE_TARGET, APPROVE_TARGET = 1.5, 0.4, 1.0  # s, MB, s


class Opened:
    """A page in a browser without a cache, and what came over the wire until it was usable."""

    def __init__(self, browser: Browser, url: str, ready: str) -> None:
        self._context = browser.new_context(viewport={"width": 1280, "height": 900})
        self.page, self._bytes = self._context.new_page(), 0
        session = self._context.new_cdp_session(self.page)
        session.send("Network.enable")
        session.on("Network.loadingFinished", self._count)
        began = time.monotonic()
        self.page.goto(url)
        self.page.locator(ready).first.click(timeout=60_000)
        self.seconds = time.monotonic() - began
        self.megabytes = self._bytes / 1e6

    def _count(self, event: dict[str, float]) -> None:
        self._bytes += int(event["encodedDataLength"])

    def close(self) -> None:
        """Forget everything of it."""
        self._context.close()


def timed(action: Callable[[], object], page: Page, done: str) -> float:
    """Seconds from the action until the expression is true in the page."""
    began = time.monotonic()
    action()
    page.wait_for_function(done, timeout=60_000, polling=10)
    return time.monotonic() - began


def actions(page: Page) -> dict[str, float]:
    """Seconds of a search, of the next page, and of approving a whole page."""
    found = "document.querySelector('#people-range').textContent.endsWith('of {}')"
    page.locator("#bulk-clear").click()
    page.locator("#chip-confirmed").click()
    waiting = page.locator("#chip-confirmed .bt-count").inner_text()
    page.wait_for_function(found.format(waiting))
    box = page.locator("#people-search")
    seconds = {
        "search": timed(
            lambda: box.fill("hospital17."),
            page,
            "(rows => rows.length && rows.every(row => row.textContent.includes('hospital17.')))"
            "([...document.querySelectorAll('#participants tbody tr')])",
        )
    }
    timed(lambda: box.fill(""), page, found.format(waiting))
    seconds["next page"] = timed(
        lambda: page.locator("#people-next").click(),
        page,
        "document.querySelector('#people-range').textContent.startsWith('26')",
    )
    page.locator("#choose-all").check()
    seconds[f"approve {AT_ONCE} at once"] = timed(
        lambda: page.locator("#bulk-approve").click(),
        page,
        f"document.querySelector('#participants-said').textContent.includes('{AT_ONCE} sites')",
    )
    return seconds


def query_seconds(app: Application, query: Query) -> float:
    """Seconds of one answer, without browser and wire."""
    began = time.monotonic()
    app.directory.page(LOCAL_ADMIN, query)
    return time.monotonic() - began


def measure(report: Report, people: int, turns: int) -> None:
    """All turns over one database."""
    figures: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)

    with TemporaryDirectory() as folder, started("bare") as bare, sync_playwright() as playwright:
        settings = Settings(
            data_dir=Path(folder),
            port=0,
            fleet_port=0,
            partitions=100_000,
            max_participants=100_000,
        )
        app = Application(settings)
        crowd(app.database, people)
        browser = playwright.chromium.launch(executable_path=system_chromium(), args=ARGUMENTS)
        with WebServer(app) as server:
            for _ in range(turns):
                opened = Opened(browser, bare.url, "text=ready")
                note("bare page: usable", opened.seconds)
                opened.close()
                opened = Opened(browser, f"{server.url}/admin", "#participants tbody input")
                note("table: usable", opened.seconds)
                note("table: on the wire", opened.megabytes)
                for name, seconds in actions(opened.page).items():
                    note(name, seconds)
                opened.close()
                for name, query in (
                    ("query: requests", Query()),
                    ("query: sites, searched", Query(view=SITES, search="zurich hospital")),
                    ("query: last page by e-mail", Query(sort="email", page=10**6)),
                ):
                    note(name, query_seconds(app, query))
        browser.close()
        app.close()
    for name, values in figures.items():
        report.add(name, values, "MB" if "wire" in name else "s")
    ratios = zip(figures["table: usable"], figures["bare page: usable"], strict=True)
    report.add("usable, table / bare", [table / plain for table, plain in ratios], "x")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="few people, one turn")
    smoke = parser.parse_args().smoke
    report = Report("participants_table")
    measure(report, people=400 if smoke else 10_000, turns=1 if smoke else 5)
    for name, target in (
        ("table: usable", USABLE_TARGET),
        ("table: on the wire", WIRE_TARGET),
        (f"approve {AT_ONCE} at once", APPROVE_TARGET),
    ):
        figure = report.median(name)
        report.target(name, figure, target, figure <= target)
    report.print()


if __name__ == "__main__":
    main()
