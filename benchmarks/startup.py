"""Seconds from the start of the process to the first answer, and to a page one can use.

Ours against a bare one-line Gradio page of the same versions, in turns. The browser is started
once; each page gets a fresh profile, so nothing comes from its cache.

    python -m benchmarks.startup [--smoke]
"""

import argparse
import time

from playwright.sync_api import Browser, sync_playwright

from benchmarks.report import Report
from benchmarks.web_pages import PAGES, started
from tests.browser import ARGUMENTS
from tests.browser_install import system_chromium

READY = {"bare": "text=ready", "ours": "text=Nothing is running yet."}
PAGE_TARGET = 1.2  # times the bare page


def usable_seconds(browser: Browser, url: str, ready: str) -> tuple[float, int]:
    """Seconds from opening the address to the text that says it works; bytes that came."""
    context = browser.new_context()
    page, size = context.new_page(), 0
    session = context.new_cdp_session(page)
    session.send("Network.enable")

    def count(event: dict[str, float]) -> None:
        nonlocal size
        size += int(event["encodedDataLength"])

    session.on("Network.loadingFinished", count)
    began = time.monotonic()
    page.goto(url)
    page.locator(ready).first.wait_for(timeout=60_000)
    seconds = time.monotonic() - began
    context.close()
    return seconds, size


def main() -> None:
    """Measure in turns and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="one turn, to see that it works")
    turns = 1 if parser.parse_args().smoke else 7
    first: dict[str, list[float]] = {name: [] for name in PAGES}
    usable: dict[str, list[float]] = {name: [] for name in PAGES}
    sizes: dict[str, list[float]] = {name: [] for name in PAGES}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=system_chromium(), args=ARGUMENTS)
        for _ in range(turns):
            for name in PAGES:
                with started(name) as page:
                    first[name].append(page.seconds)
                    seconds, size = usable_seconds(browser, page.url, READY[name])
                    usable[name].append(seconds)
                    sizes[name].append(size / 1024)
        browser.close()
    report = Report("startup")
    for name in PAGES:
        report.add(f"{name}: start to first 200", first[name], "s")
        report.add(f"{name}: opened to usable", usable[name], "s")
        report.add(f"{name}: first page", sizes[name], "KiB")
    starts = [a / b for a, b in zip(first["ours"], first["bare"], strict=True)]
    pages = [a / b for a, b in zip(usable["ours"], usable["bare"], strict=True)]
    report.add("start, ours / bare", starts, "x")
    report.add("usable, ours / bare", pages, "x")
    ratio = report.median("usable, ours / bare")
    report.target("first page, ours / bare", ratio, PAGE_TARGET, ratio <= PAGE_TARGET)
    report.print()


if __name__ == "__main__":
    main()
