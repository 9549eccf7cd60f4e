"""The Join page in a real browser, in every state, as the participant sees it.

Local mode has one person; they go through all states, the service plays the admins.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tomllib
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from blossomtune_gradio.identity import LOCAL_ADMIN as ME
from blossomtune_gradio.identity import STRANGER, User
from blossomtune_gradio.services.people.activation import CODE_LIFETIME, digest
from blossomtune_gradio.services.sites.reports import CheckResult, Report
from blossomtune_gradio.services.sites.service import Site
from blossomtune_gradio.store.models import Participant, now
from blossomtune_gradio.store.models import ParticipantStatus as Status
from blossomtune_gradio.ui.join_state import standing
from blossomtune_gradio.ui.join_words import STEPS, stage_of
from tests.axe import violations
from tests.browser import Watched
from tests.live import PATH, LiveFederation
from tests.people import ADMIN, approved, person
from tests.test_kits import signed

slow = pytest.mark.slow
in_browser = pytest.mark.browser
SECOND = 1000.0
SHOWN = {"timeout": 20 * SECOND}
MINUTE = timedelta(seconds=61)
CODE, MAILBOX, REASON = "ABCD2345", "me@example.org", "Please write which data you bring."
PROVED = (Status.CONFIRMED, ME)
WAY_TO: dict[str, list[tuple[Status, User]]] = {
    "prove": [],
    "wait": [PROVED],
    "kit": [PROVED, (Status.APPROVED, ADMIN)],
    "denied": [PROVED, (Status.DENIED, ADMIN)],
    "revoked": [PROVED, (Status.APPROVED, ADMIN), (Status.REVOKED, ADMIN)],
    "withdrawn": [PROVED, (Status.WITHDRAWN, ME)],
}
HOSTILE = "<img src=x onerror=alert(1)> ${alert(2)} {{alert(3)}} \u202egnp.exe " + "w" * 120


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory):
    with LiveFederation(tmp_path_factory.mktemp("join")) as made:
        yield made


@pytest.fixture
def page(browser, federation):
    """The page of somebody who has no live request."""
    begin_anew(federation)
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    yield page
    page.context.close()


@pytest.fixture(autouse=True)
def watched(request):
    """Whatever the page should not do fails the test, unless the test takes it off the list."""
    if "page" not in request.fixturenames:
        yield None
        return
    page, federation = (request.getfixturevalue(name) for name in ("page", "federation"))
    watched = Watched(page, federation.server.url)
    yield watched
    assert watched.troubles == []


def begin_anew(federation: LiveFederation) -> None:
    """As on the first day."""
    with federation.app.database.write() as session:
        for row in session.query(Participant).filter_by(user_id=ME.id):
            row.user_id, row.email, row.site = f"old:{row.id}", f"{row.id}@old.org", f"Old {row.id}"
            row.partition_id, row.status_word = None, Status.WITHDRAWN.value


def given(federation: LiveFederation, state: str, **words: str) -> Participant:
    """Bring the person into a state without the way there: an hour allows few codes."""
    written = {"site": "Charité", "email": MAILBOX, "organisation": "Charité Berlin"} | words
    row = Participant(user_id=ME.id, username=ME.name, **written)
    row.code_hash, row.code_sent_at = digest(CODE), now()
    row.code_expires_at = now() + CODE_LIFETIME
    for status, by in WAY_TO[state]:
        row.status_word = row.status_word or Status.REQUESTED.value
        row.move_to(status, by=by.id, reason=REASON if by is ADMIN else "", by_name=by.name)
        row.partition_id = 2 if status is Status.APPROVED else None
    with federation.app.database.write() as session:
        session.add(row)
    return row


def code_for(federation: LiveFederation, address: str) -> str:
    """The newest code in a mail to this address."""
    mails = federation.app.outbox.newest(ADMIN)
    body = next(m.body for m in mails if m.recipient == address)
    found = re.search(r"\b[A-Z0-9]{4}-[A-Z0-9]{4}\b", body)
    assert found, body
    return found.group()


def open_join(page: Page, federation: LiveFederation, title: str | re.Pattern[str]) -> None:
    page.goto(f"{federation.server.url}/join")
    expect(page.locator("#join-title")).to_have_text(title, **SHOWN)


def tab_to(page: Page, elem_id: str) -> None:
    """Press Tab until the element has the focus: it must be reachable and the focus visible."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == elem_id:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"#{elem_id} does not show its focus"
            return
    raise AssertionError(f"#{elem_id} is not reached by Tab")


# -- the words, without a browser ---------------------------------------------------------------


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("presence", ["no key", "registered", "online", "offline", "unknown"])
def test_each_state_says_where_one_is_and_whose_turn_it_is(status, presence):
    mine = Participant(user_id="x:1", site="Lab", email="a@example.org", status_word=status.value)
    site = Site(
        participant_id=1, name="Lab", partition_id=0, node_id="", presence=presence, last_seen=None
    )
    stage = stage_of(True, mine, site)
    assert stage.title
    assert stage.turn
    assert stage.lead
    assert 1 <= stage.step < len(STEPS)
    assert stage.next or stage.ended or stage.all_done


def test_a_person_is_told_only_of_their_own_request(federation):
    app = federation.app
    other = approved(app.participants, app.outbox, "bob")
    seen = standing(app, person("eve"))
    assert seen["stage"]["name"] == "ask"
    assert (seen["request"], seen["member"], seen["runs"]) == (None, None, [])
    assert other.site not in str(seen)
    assert other.email not in str(seen)
    assert standing(app, person("bob"))["member"]["kit"] == f"download/kit/{other.id}"


def test_a_stranger_is_told_nothing(federation):
    seen = standing(federation.app, STRANGER)
    assert seen["stage"]["name"] == "sign-in"
    assert (seen["request"], seen["member"], seen["runs"], seen["code"]) == (None, None, [], None)


def test_the_form_begins_with_the_address_the_provider_has_verified(federation):
    ada = User(provider="hf", sub="7", name="ada", email="ada@uni.example")
    assert standing(federation.app, ada)["suggest"] == {"email": "ada@uni.example"}


# -- the whole way ------------------------------------------------------------------------------


@slow
@in_browser
def test_the_whole_way_by_keyboard_alone_up_to_a_site_that_is_online(
    page, browser, federation, tmp_path
):
    app = federation.app
    app.federation.start(ADMIN)
    open_join(page, federation, "Ask for access")
    keys = page.keyboard
    tab_to(page, "ask-site")
    keys.type("Charité Radiology")
    tab_to(page, "ask-email")
    keys.type("Admin@Example.org")
    tab_to(page, "ask-organisation")
    keys.type("Charité Berlin")
    tab_to(page, "ask-send")
    keys.press("Enter")
    expect(page.locator("#join-title")).to_have_text("Prove your e-mail address", **SHOWN)
    expect(page.locator("#join-title")).to_be_focused()
    expect(page.locator("[aria-current=step]")).to_contain_text("Prove your e-mail")
    expect(page.locator("#prove-outbox")).to_be_visible()

    tab_to(page, "prove-code")
    keys.type(code_for(federation, "admin@example.org").lower().replace("-", " - "))
    keys.press("Enter")
    expect(page.locator("#join-title")).to_have_text("An admin decides", **SHOWN)
    expect(page.locator("#join-title")).to_be_focused()
    expect(page.locator("#join-turn")).to_contain_text("An admin's turn")
    expect(page.locator("#join-turn")).to_contain_text("since")
    expect(page.locator("#join-facts")).to_contain_text("Charité Radiology")

    row = app.participants.mine(ME)
    app.participants.approve(row.id, by=ADMIN)
    expect(page.locator("#join-title")).to_have_text("Get your kit", **SHOWN)  # no reload
    expect(page.locator("#join-news")).to_contain_text("Get your kit")
    tab_to(page, "kit-link")
    with page.expect_download() as download:
        keys.press("Enter")
    kit = tmp_path / "kit"
    zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())).extractall(kit)

    another = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    open_join(another, federation, "Get your kit")
    with joined(kit):
        for seen in (page, another):
            expect(seen.locator("#join-title")).to_have_text(
                "Your site is connected", timeout=60 * SECOND
            )
        expect(page.locator("#join-where")).to_have_text("All 6 steps done")
        expect(page.locator("#join-facts")).to_contain_text("Online for")
        expect(page.locator("#checks")).to_contain_text("PASS", **SHOWN)
        page.reload()
        expect(page.locator("#join-title")).to_have_text("Your site is connected", **SHOWN)
        expect(page.locator("#kit-link")).to_have_text("Get a new kit")
        assert violations(page) == []
    expect(page.locator("#join-title")).to_have_text("Your site is offline", timeout=60 * SECOND)
    expect(page.locator("#advice")).to_contain_text("python join.py --check")
    another.context.close()


class joined:  # noqa: N801 - reads like a word
    """`python join.py` in the kit's folder, as a site would type it."""

    def __init__(self, kit: Path) -> None:
        self._kit = kit

    def __enter__(self) -> None:
        with (self._kit / "out.txt").open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "join.py", "--plain"],
                cwd=self._kit,
                env={"PATH": PATH, "HOME": str(self._kit)},
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)


# -- single steps -------------------------------------------------------------------------------


@slow
@in_browser
def test_a_wrong_value_is_told_at_its_field_and_nothing_typed_is_lost(page, federation):
    open_join(page, federation, "Ask for access")
    page.locator("#ask-site").fill("Charité")
    page.locator("#ask-email").fill("not an address")
    page.locator("#ask-data").fill("Chest X-rays, 12 000 studies")
    page.locator("#ask-send").click()
    wrong = page.locator("#ask-email-wrong")
    expect(wrong).to_contain_text("e-mail address", **SHOWN)
    expect(page.locator("#ask-email")).to_be_focused()
    expect(page.locator("#ask-email")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#ask-data")).to_have_value("Chest X-rays, 12 000 studies")
    page.locator("#ask-email").fill("admin@example.org")
    page.locator("#ask-send").click()
    expect(page.locator("#join-title")).to_have_text("Prove your e-mail address", **SHOWN)
    assert federation.app.participants.mine(ME).data == "Chest X-rays, 12 000 studies"


@slow
@in_browser
def test_a_server_that_does_not_answer_loses_nothing(page, federation, watched):
    open_join(page, federation, "Ask for access")
    page.locator("#ask-site").fill("Charité")
    page.locator("#ask-email").fill("admin@example.org")
    page.route("**/component_server/**", lambda route: route.abort())
    page.locator("#ask-send").click()
    expect(page.locator("#ask-wrong")).to_contain_text("did not answer", timeout=40 * SECOND)
    expect(page.locator("#ask-site")).to_have_value("Charité")
    page.unroute("**/component_server/**")
    page.locator("#ask-send").click()
    expect(page.locator("#join-title")).to_have_text("Prove your e-mail address", **SHOWN)
    watched.troubles = [t for t in watched.troubles if "ERR_FAILED" not in t]


@slow
@in_browser
def test_a_new_code_can_be_sent_after_the_countdown_and_the_old_one_is_refused(page, federation):
    given(federation, "prove")
    open_join(page, federation, "Prove your e-mail address")
    expect(page.locator("#resend-wait")).to_contain_text(re.compile(r"in 0:\d\d"))
    first = page.locator("#resend-wait").text_content()
    expect(page.locator("#resend-wait")).not_to_have_text(first)  # it is live
    expect(page.locator("#resend")).to_have_attribute("aria-disabled", "true")
    with federation.app.database.write() as session:
        session.query(Participant).filter_by(user_id=ME.id).one().code_sent_at -= MINUTE
    expect(page.locator("#resend")).to_have_attribute("aria-disabled", "false", **SHOWN)
    page.locator("#resend").click()
    expect(page.locator("#join-said")).to_contain_text("There is a new code", **SHOWN)
    expect(page.locator("#prove-code")).to_be_focused()
    page.locator("#prove-code").fill(CODE)
    page.locator("#prove-send").click()
    expect(page.locator("#prove-code-wrong")).to_contain_text("4 tries left", **SHOWN)
    expect(page.locator("#prove-code")).to_have_value(CODE)
    page.locator("#prove-code").fill(code_for(federation, MAILBOX))
    page.locator("#prove-send").click()
    expect(page.locator("#join-title")).to_have_text("An admin decides", **SHOWN)


@slow
@in_browser
def test_another_address_is_taken_without_typing_the_rest_again(page, federation):
    given(federation, "prove", email="mee@example.org", message="Good day")
    open_join(page, federation, "Prove your e-mail address")
    page.locator("#change-address").click()
    expect(page.locator("#ask-email")).to_be_focused(**SHOWN)
    expect(page.locator("#ask-site")).to_have_value("Charité")
    expect(page.locator("#ask-message")).to_have_value("Good day")
    page.locator("#ask-email").fill("m.e@example.org")
    page.locator("#ask-send").click()
    expect(page.locator("#join-title")).to_have_text("Prove your e-mail address", **SHOWN)
    expect(page.locator("#join-facts")).to_contain_text("m.e@example.org")


@slow
@in_browser
def test_who_was_denied_reads_why_and_asks_again(page, federation):
    given(federation, "denied")
    open_join(page, federation, "Your request was denied")
    reason = page.locator("#gone-reason")
    expect(reason).to_contain_text("Denied by local admin")
    expect(reason).to_contain_text(REASON)
    page.locator("#ask-again").click()
    expect(page.locator("#ask-site")).to_be_focused()
    expect(page.locator("#ask-organisation")).to_have_value("Charité Berlin")
    page.locator("#ask-data").fill("Chest X-rays")
    page.locator("#ask-send").click()
    expect(page.locator("#join-title")).to_have_text("Prove your e-mail address", **SHOWN)


@slow
@in_browser
def test_withdrawing_is_asked_twice_and_done_once(page, federation):
    given(federation, "wait")
    open_join(page, federation, "An admin decides")
    page.locator("#withdraw").click()
    expect(page.locator("#withdraw-no")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#withdraw")).to_be_focused()
    page.locator("#withdraw").click()
    page.locator("#withdraw-yes").click()
    expect(page.locator("#join-title")).to_have_text("You withdrew your request", **SHOWN)
    expect(page.locator("#join-title")).to_be_focused()
    assert federation.app.participants.mine(ME).status is Status.WITHDRAWN


@slow
@in_browser
def test_the_machines_checks_and_a_key_of_ones_own(page, federation, tmp_path):
    row = given(federation, "kit")
    kit = zipfile.ZipFile(io.BytesIO(federation.app.kits.make(row.id, by=ME)))
    token = tomllib.loads(kit.read("site.toml").decode())["token"]
    checks = [
        CheckResult(name="Python", state="PASS", sentence="3.11"),
        CheckResult(name="Clock", state="FAIL", sentence=f"400 s behind: run ntpdate. {HOSTILE}"),
    ]
    federation.app.site_reports.take(token, Report(good=False, checks=checks))
    open_join(page, federation, "Get your kit")
    expect(page.locator("#checks li")).to_have_text([re.compile("PASS"), re.compile("FAIL")])
    expect(page.locator("#checks")).to_contain_text("run ntpdate")
    expect(page.locator("#kit-commands")).to_contain_text("join.py --check")

    page.locator("#way-own-key summary").click()
    page.locator("#own-key-text").fill("not a key")
    page.locator("#own-key-send").click()
    expect(page.locator("#own-key-said")).to_have_attribute("data-tone", "bad", **SHOWN)
    expect(page.locator("#own-key-text")).to_have_value("not a key")
    expect(page.locator("#way-own-key")).to_contain_text("--auth-supernode-private-key site.key")
    row = federation.app.participants.mine(ADMIN)
    page.locator("#own-key-text").fill(signed(federation.app.kits, row, tmp_path))
    page.locator("#own-key-send").click()
    expect(page.locator("#own-key-said")).to_contain_text("knows your key", **SHOWN)
    expect(page.locator("#join-title")).not_to_have_text("Get your kit", **SHOWN)
    assert violations(page) == []


@slow
@in_browser
def test_hostile_texts_are_only_text(page, federation):
    row = given(federation, "wait", organisation=HOSTILE, message=HOSTILE, data=HOSTILE)
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    open_join(page, federation, "An admin decides")
    expect(page.locator("#join-facts")).to_contain_text("<img src=x onerror=alert(1)>")
    federation.app.participants.deny(row.id, ADMIN, HOSTILE)
    expect(page.locator("#gone-reason")).to_contain_text("${alert(2)}", **SHOWN)
    page.locator("#ask-again").click()
    assert "onerror" in page.locator("#ask-data").input_value()
    assert page.locator("#join-card img, #join-card script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


@slow
@in_browser
@pytest.mark.parametrize("state", ["ask", "prove", "wait", "kit", "denied", "revoked", "withdrawn"])
def test_each_state_is_accessible_and_fits_a_phone_in_light_and_dark(page, federation, state):
    if state != "ask":
        given(federation, state)
    open_join(page, federation, re.compile("."))
    expect(page.locator("#join-steps [aria-current=step]")).to_have_count(1, **SHOWN)
    for scheme, width in (("light", 1280), ("dark", 390)):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.locator("body.dark" if scheme == "dark" else "body:not(.dark)").wait_for()
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert violations(page) == [], (scheme, width)
