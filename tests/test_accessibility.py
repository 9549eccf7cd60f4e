"""axe-core finds nothing on any page, in light and dark, on a desk and on a phone."""

from __future__ import annotations

import pytest

from tests.axe import violations
from tests.live import LiveFederation
from tests.people import approved, ask, mailed_code, person

pytestmark = [pytest.mark.slow, pytest.mark.browser]
SECOND = 1000.0
SETTLED = {  # what is there once the page has its answers
    "/": "#lamp-superlink",
    "/join": "#join-steps [aria-current=step]",
    "/runs": "#run-app",
    "/admin": "#participants tbody tr",
}


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory):
    """With somebody in each state, so that no table is empty."""
    with LiveFederation(tmp_path_factory.mktemp("accessible")) as made:
        people, outbox = made.app.participants, made.app.outbox
        approved(people, outbox, "ada")
        ask(people, person("bob"))
        people.confirm(person("bob"), mailed_code(outbox, person("bob")))
        ask(people, person("eve"))
        yield made


@pytest.mark.parametrize("path", SETTLED)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing(browser, federation, path, scheme, width):
    context = browser.new_context(
        color_scheme=scheme,
        viewport={"width": width, "height": 844},
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(federation.server.url + path)
    page.locator("body.dark" if scheme == "dark" else "body:not(.dark)").wait_for()
    page.locator(SETTLED[path]).first.wait_for(timeout=30 * SECOND)
    assert violations(page) == []
    context.close()
