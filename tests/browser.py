"""A real Chromium for the tests, and a page that remembers what went wrong on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect, sync_playwright

from tests.browser_install import system_chromium

# Chromium must not call home, and in a container it has no sandbox of its own.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_STILL = "--force-prefers-reduced-motion"  # drawing without a GPU would cost a core
expect.set_options(timeout=30_000)  # a deadline for busy machines, not a wait


@contextmanager
def chromium(*more: str) -> Iterator[Browser]:
    """The machine's Chromium or Playwright's own; skips the test, aloud, when there is none.

    `more` are arguments of its command line.
    """
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=system_chromium(), args=[*ARGUMENTS, _STILL, *more]
            )
        except Error as error:
            pytest.skip(f"NO BROWSER: {error.message.splitlines()[0]}. Run `make browser`.")
        yield browser
        browser.close()


_LEAVES = "the page is being left"
_SAYS_SO = f"addEventListener('beforeunload', () => console.info('{_LEAVES}'))"


class Watched:
    """What a page did that it should not: console errors, failed answers, foreign hosts.

    Gradio ends its streams when a page is left, and calls that an error: from then until the next
    page is there nothing counts.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.troubles: list[str] = []
        self._host = urlsplit(url).netloc
        self._is_leaving = False
        page.add_init_script(_SAYS_SO)  # before any listener of the page's own
        page.on("console", self._hear)
        page.on("framenavigated", self._arrive)
        page.on("download", self._arrive)  # it stays after all
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("request", lambda request: self._check_host(request.url))
        page.on("response", lambda r: self._note(f"{r.status} {r.url}") if r.status > 399 else None)

    def _hear(self, message: ConsoleMessage) -> None:
        self._is_leaving |= message.text == _LEAVES
        if message.type == "error":
            self._note(message.text)

    def _arrive(self, _: object) -> None:
        self._is_leaving = False

    def _note(self, trouble: str) -> None:
        if not self._is_leaving:
            self.troubles.append(trouble)

    def _check_host(self, url: str) -> None:
        address = urlsplit(url)
        if address.scheme in ("http", "https", "ws", "wss") and address.netloc != self._host:
            self._note(f"request to another host: {url}")


@contextmanager
def watched_page(browser: Browser, url: str) -> Iterator[Page]:
    """A page with a profile of its own; fails at the end if it did what it should not."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    watched = Watched(page, url)
    yield page
    assert watched.troubles == [], watched.troubles
    page.context.close()
