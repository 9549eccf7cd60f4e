"""axe-core finds nothing on any page, in light and dark, on a desk and on a phone."""

from __future__ import annotations

import pytest

from tests.axe import violations

pytest_plugins = ["tests.page_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]
SECOND = 1000.0
SETTLED = {  # what is there once the page has its answers
    "/": "#lamp-superlink",
    "/join": "#join-steps [aria-current=step]",
    "/runs": "#run-app",
    "/admin": "#participants tbody tr",
}


@pytest.mark.parametrize("path", SETTLED)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing(browser, seeded_page, path, scheme, width):
    context = browser.new_context(
        color_scheme=scheme,
        viewport={"width": width, "height": 844},
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(seeded_page.server.url + path)
    page.locator("body.dark" if scheme == "dark" else "body:not(.dark)").wait_for()
    page.locator(SETTLED[path]).first.wait_for(timeout=30 * SECOND)
    assert violations(page) == []
    context.close()
