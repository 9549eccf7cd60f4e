"""The admin's page of participants in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.services.review.query import Query
from blossomtune_gradio.store.models import Participant, SiteReport
from blossomtune_gradio.store.models import ParticipantStatus as Status
from tests.browser import watched_page
from tests.live import LiveFederation
from tests.people import ADMIN

pytest_plugins = ["tests.page_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]
SECOND = 1000.0
EVE = User(provider="local", sub="eve", name="Eve", role=Role.ADMIN)
HOSTILE = "<img src=x onerror=\"document.title='owned'\">${1+1}{{7*7}} \u202eabc"


@pytest.fixture(scope="module")
def app(seeded_page: LiveFederation) -> Application:
    made = seeded_page.app
    with made.database.write() as session:
        row = Participant(user_id="made:evil", site="Evil", email="evil@example.org")
        row.status_word, row.message, row.organisation = "confirmed", HOSTILE, HOSTILE
        row.data = row.username = row.note = HOSTILE
        session.add(row)
        session.flush()
        checks = [{"name": HOSTILE, "ok": False, "sentence": HOSTILE}, "nonsense"]
        session.add(SiteReport(participant_id=row.id, good=False, report={"checks": checks}))
    return made


@pytest.fixture(scope="module")
def url(app: Application, seeded_page: LiveFederation) -> str:
    return f"{seeded_page.server.url}/admin"


@pytest.fixture
def page(browser, url):
    with watched_page(browser, url) as page:
        page.goto(url)
        expect(rows(page)).to_have_count(25, timeout=20 * SECOND)
        yield page


def rows(page: Page):
    return page.locator("#participants tbody tr")


def names(page: Page) -> list[str]:
    return page.locator("#participants .bt-who").all_text_contents()


def person(app: Application, site: str) -> Participant:
    with app.database.read() as session:
        return session.query(Participant).where(Participant.site == site).one()


def find(page: Page, words: str, count: int = 1) -> None:
    page.locator("#people-search").fill(words)
    expect(rows(page)).to_have_count(count, timeout=20 * SECOND)


def test_search_filter_sort_and_pages(page):
    expect(rows(page).first).to_contain_text("waiting")
    first = names(page)
    page.locator("#people-next").click()
    expect(page.locator("#people-range")).to_contain_text(
        re.compile("^26.50 of"), timeout=20 * SECOND
    )
    assert not set(first) & set(names(page))

    page.locator("#chip-denied").click()
    expect(page.locator("#chip-denied")).to_have_attribute("aria-pressed", "true")
    expect(rows(page).filter(has_text="denied")).to_have_count(
        int(page.locator("#chip-denied .bt-count").inner_text()), timeout=20 * SECOND
    )
    page.locator("#chip-all").click()
    page.locator("#sort-site").click()
    heading = page.locator("th[data-sort=site]")
    expect(heading).to_have_attribute("aria-sort", "ascending", timeout=20 * SECOND)
    page.locator("#sort-site").click()
    expect(heading).to_have_attribute("aria-sort", "descending", timeout=20 * SECOND)
    shown = [name.lower() for name in names(page)]
    assert shown == sorted(shown, reverse=True)

    page.locator("#people-search").fill("ZURICH")
    expect(rows(page).filter(has_not_text="Zürich")).to_have_count(0, timeout=20 * SECOND)
    expect(rows(page).first).to_contain_text("Zürich")
    page.locator("#people-search").fill("nobody is called so")
    expect(page.locator("#participants-empty")).to_contain_text("Nobody fits.", timeout=20 * SECOND)


def test_a_selection_is_kept_across_pages_and_approved_at_once(page, app):
    page.locator("#choose-all").check()
    expect(page.locator("#people-selected")).to_have_text("25 selected")
    page.locator("#choose-all").uncheck()
    expect(page.locator("#people-bulk")).to_be_hidden()
    chosen = []
    for step in range(2):
        for index in range(2):
            rows(page).nth(index).locator("input").check()
            chosen.append(names(page)[index])
        if step == 0:
            page.locator("#people-next").click()
            expect(page.locator("#people-range")).to_contain_text(
                re.compile("^26"), timeout=20 * SECOND
            )
    expect(page.locator("#people-selected")).to_have_text("4 selected")
    able = page.locator("#bulk-approve").inner_text()
    page.locator("#bulk-approve").click()
    expect(page.locator("#participants-said")).to_contain_text("approved", timeout=20 * SECOND)
    expect(page.locator("#people-bulk")).to_be_hidden()
    approved = [name for name in chosen if person(app, name).status is Status.APPROVED]
    assert f"Approve {len(approved)}" == able
    assert len({person(app, name).partition_id for name in approved}) == len(approved) == 4


def test_a_denied_person_will_read_the_reason(page, app):
    find(page, "Evil")
    row = rows(page).first
    row.get_by_role("button", name=re.compile("Deny")).click()
    page.get_by_label("Reason").fill("no ethics vote")
    page.locator("#decide-yes").click()
    expect(row).to_contain_text("denied", timeout=20 * SECOND)
    expect(row).to_contain_text("no ethics vote")
    assert person(app, "Evil").reason == "no ethics vote"


def test_hostile_texts_are_text_and_nothing_else(page):
    find(page, "Evil")
    expect(rows(page).first).to_contain_text("<img src=x onerror=")
    expect(rows(page).first).to_contain_text("${1+1}{{7*7}}")
    page.locator("#participants .bt-who").first.click()
    expect(page.locator("#person-facts")).to_contain_text("<img src=x", timeout=20 * SECOND)
    expect(page.locator("#person-report")).to_contain_text("Something is wrong")
    assert page.locator("#participants-table img, #person img").count() == 0
    assert page.title() != "owned"


def test_the_second_of_two_admins_reads_that_it_was_decided(page, app):
    page.locator("#chip-confirmed").click()
    site = names(page)[3]
    page.locator("#people-search").fill(site)
    expect(rows(page)).to_have_count(1, timeout=20 * SECOND)
    button = rows(page).first.get_by_role("button", name="Approve")
    app.participants.deny(person(app, site).id, EVE, "another hospital sends it")
    button.evaluate("button => button.click()")  # before the page has looked again
    expect(page.locator("#participants-said")).to_contain_text("denied", timeout=20 * SECOND)
    assert person(app, site).decided_name == "Eve"


def test_one_person_in_detail_with_a_note_and_a_chosen_partition(page, app):
    page.locator("#chip-confirmed").click()
    site = names(page)[5]
    find(page, site)
    page.locator("#participants .bt-who").first.click()
    expect(page.locator("#person-name")).to_have_text(site, timeout=20 * SECOND)
    page.locator("#person-note").fill("met at the congress")
    page.locator("#person-note-save").click()
    expect(page.locator("#person-said")).to_contain_text("is kept", timeout=20 * SECOND)
    expect(page.locator("#person-history")).to_contain_text("local admin changed the note")
    page.locator("#person-partition").fill("150")
    page.locator("#person-approve").click()
    expect(page.locator("#person-said")).to_contain_text("partition 150", timeout=20 * SECOND)
    expect(page.locator("#person-history")).to_contain_text("approved")
    page.keyboard.press("Escape")
    expect(page.locator("#person")).to_be_hidden()
    assert (person(app, site).partition_id, person(app, site).note) == (150, "met at the congress")


def test_a_participant_who_cannot_be_read_is_told_in_the_drawer(page):
    page.evaluate("document.dispatchEvent(new CustomEvent('blossom:person', { detail: 10 ** 6 }))")
    expect(page.locator("#person-said")).to_contain_text("does not exist", timeout=20 * SECOND)
    expect(page.locator("#person-note")).to_be_hidden()


def test_the_number_of_partitions_is_checked_against_what_is_assigned(page):
    page.locator("#people-sites").click()
    expect(page.locator("#partitions-use")).to_contain_text("lowest free", timeout=20 * SECOND)
    page.locator("#partitions-total").fill("3")
    page.locator("#partitions-save").click()
    said = page.locator("#participants-said")
    expect(said).to_contain_text("split their data into 200", timeout=20 * SECOND)
    expect(page.locator("#partitions-total")).to_have_value("200")


def test_the_keyboard_is_enough(page, app):
    page.locator("#people-sites").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#people-requests")).to_be_focused()
    page.locator("#people-search").focus()
    site = next(one.row.site for one in app.directory.page(ADMIN, _waiting()).people[6:])
    page.keyboard.type(site)
    expect(rows(page)).to_have_count(1, timeout=20 * SECOND)
    page.locator(f"#choose-{person(app, site).id}").focus()
    page.keyboard.press("Space")
    expect(page.locator("#people-selected")).to_have_text("1 selected")
    page.locator("#bulk-deny").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#decide-reason")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#people-decide")).to_be_hidden()
    page.keyboard.press("Enter")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(rows(page).first).to_contain_text("denied", timeout=20 * SECOND)
    assert person(app, site).reason == "by keyboard"


def _waiting() -> Query:
    return Query(status="confirmed")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_each_row_is_a_card_that_can_be_decided(browser, url, app, scheme):
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    page.goto(url)
    expect(rows(page)).to_have_count(25, timeout=20 * SECOND)
    site = names(page)[0]
    rows(page).first.get_by_role("button", name="Approve").click()
    said = page.locator("#participants-said")
    expect(said).to_contain_text(f"{site} owns partition", timeout=20 * SECOND)
    page.locator("#people-sites").click()
    page.locator("#people-search").fill(site)
    expect(rows(page)).to_have_count(1, timeout=20 * SECOND)
    page.locator("#participants .bt-who").first.click()
    expect(page.locator("#person-name")).to_have_text(site, timeout=20 * SECOND)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#person").evaluate("node => node.scrollWidth <= node.clientWidth")
    context.close()
