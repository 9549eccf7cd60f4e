"""Signing in and out in a real browser: as on a Space, in its frame, and self-hosted."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

import config
from blossomtune_gradio.application import Application
from blossomtune_gradio.tls import ensure_server_credentials
from blossomtune_gradio.web.server import WebServer
from tests.browser import Watched, chromium
from tests.live import PATH, LiveFederation
from tests.oidc import OidcProvider, Served, sign_in_browser, signed_in
from tests.space import SPACE, space_variables
from tests.support import free_port, wait_for
from tests.tls_door import TlsDoor

pytestmark = [pytest.mark.slow, pytest.mark.browser]
SECOND = 1000.0
PATIENCE = 60 * SECOND
HUB = "huggingface.co"


@pytest.fixture(scope="module")
def issuer() -> Iterator[OidcProvider]:
    with OidcProvider("boss", "ada") as made:
        yield made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, issuer: OidcProvider) -> Iterator[Browser]:
    """A browser for which this machine is the Space, and huggingface.co a page that frames it."""
    folder = tmp_path_factory.mktemp("space")
    variables = space_variables(folder, issuer, BLOSSOMTUNE_ADMINS="hf:boss")
    app = Application(config.load(variables), PATH)
    credentials = ensure_server_credentials(folder / "tls", [SPACE, HUB])
    framing = Served(Starlette(routes=[Route("/", _framing)]))
    try:
        with (
            WebServer(app) as server,
            framing,
            TlsDoor(free_port(), server.port, credentials) as here,
            TlsDoor(free_port(), framing.port, credentials) as hub,
            chromium(
                f"--host-resolver-rules=MAP {SPACE} 127.0.0.1:{here.port},"
                f"MAP {HUB} 127.0.0.1:{hub.port}",
                "--test-third-party-cookie-phaseout",
            ) as made,
        ):
            app.open()
            yield made
    finally:
        app.close()


async def _framing(_: object) -> HTMLResponse:
    return HTMLResponse(f'<iframe src="https://{SPACE}/" width="1000" height="700"></iframe>')


@pytest.fixture(scope="module")
def federation(
    tmp_path_factory: pytest.TempPathFactory, issuer: OidcProvider
) -> Iterator[LiveFederation]:
    with (
        OidcProvider("zoe") as second,
        LiveFederation(
            tmp_path_factory.mktemp("self-hosted"),
            providers=(issuer.provider("keycloak", "Research"), second.provider("uni", "The Uni")),
            admins=frozenset(("keycloak:boss",)),
        ) as made,
    ):
        yield made


def test_as_on_a_space_somebody_signs_in_works_and_signs_out(browser):
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.goto(f"https://{SPACE}/admin")
    expect(page.locator("#refused-why")).to_contain_text("for an admin", timeout=PATIENCE)
    page.locator("#refused-sign-in").click()
    page.locator("#as-boss").click()
    page.wait_for_url(f"https://{SPACE}/admin", timeout=PATIENCE)
    expect(page.locator("#superlink-card")).to_be_visible(timeout=PATIENCE)
    kept = {cookie["name"]: cookie for cookie in context.cookies(f"https://{SPACE}")}
    assert set(kept) == {"__Host-blossomtune"}
    cookie = kept["__Host-blossomtune"]
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
    _sign_out(page)
    expect(page.locator("#nav-admin")).to_be_hidden()
    context.close()


def test_in_the_frame_of_a_space_the_page_offers_a_tab_of_its_own(browser):
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.goto(f"https://{HUB}/")
    link = page.frame_locator("iframe").locator("#sign-in")
    expect(link).to_have_text("Open in a full tab to sign in", timeout=PATIENCE)
    with context.expect_page() as opened:
        link.click()
    tab = opened.value
    tab.wait_for_url(f"https://{SPACE}/", timeout=PATIENCE)
    expect(tab.locator("#sign-in")).to_have_text("Sign in", timeout=PATIENCE)
    context.close()


def test_self_hosted_each_chooses_their_provider_and_sees_their_pages(browser, federation):
    url = federation.server.url
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(url)
    page.locator("#sign-in").click(timeout=PATIENCE)
    page.get_by_role("link", name="Continue with The Uni").click()
    page.locator("#as-zoe").click()
    watched = Watched(page, url)
    expect(page.locator("#account-name")).to_have_text("zoe", timeout=PATIENCE)
    shown = page.locator(".bt-nav a").locator("visible=true")
    expect(shown).to_have_text(["Live", "Join"])
    expect(page.locator("#log-card")).to_be_hidden()
    page.goto(f"{url}/admin")
    expect(page.locator("#refused-why")).to_contain_text("zoe, participant", timeout=PATIENCE)
    expect(page.locator("#superlink-card")).to_be_hidden()
    _sign_out(page)
    assert watched.troubles == []
    context.close()


def test_an_admin_makes_a_researcher_and_takes_it_back(browser, federation):
    url = federation.server.url
    ada = signed_in(url, "ada", "keycloak")
    context = browser.new_context()
    sign_in_browser(context, url, "boss", "keycloak")
    page = context.new_page()
    watched = Watched(page, url)
    page.goto(f"{url}/admin")
    row = page.locator("#roles tbody tr").filter(has_text="ada")
    row.get_by_role("button", name="Make researcher").click(timeout=PATIENCE)
    expect(row).to_contain_text("granted by an admin", timeout=PATIENCE)
    assert ada.get("/me").json()["role"] == "researcher"
    row.get_by_role("button", name="Take researcher").click()
    expect(page.locator("#roles-said")).to_contain_text("no longer", timeout=PATIENCE)
    assert ada.get("/me").json()["role"] == "participant"
    assert watched.troubles == []
    context.close()


def test_signing_out_everywhere_is_felt_in_a_page_that_is_open(browser, federation):
    url = federation.server.url
    context = browser.new_context()
    sign_in_browser(context, url, "boss", "keycloak")
    page = context.new_page()
    page.goto(f"{url}/admin")
    expect(page.locator("#superlink-card")).to_be_visible(timeout=PATIENCE)
    signed_in(url, "boss", "keycloak").post("/logout/everywhere")
    expect(page.locator("#superlink-card")).to_be_hidden(timeout=PATIENCE)
    expect(page.locator("#refused-why")).to_contain_text("Sign in", timeout=PATIENCE)
    context.close()


def test_another_site_cannot_frame_a_self_hosted_page(browser, federation):
    with Served(Starlette(routes=[Route("/", _framing_of(federation.server.url))])) as evil:
        page = browser.new_context().new_page()
        page.goto(evil.url)
        refused = re.compile("chrome-error")
        wait_for(lambda: page.wait_for_timeout(50) or refused.match(page.frames[-1].url), 30)
        page.context.close()


def _framing_of(url: str):
    async def framing(_: object) -> HTMLResponse:
        return HTMLResponse(f'<iframe src="{url}"></iframe>')

    return framing


def _sign_out(page: Page) -> None:
    page.locator("#account-name").click()
    page.locator("#sign-out").click()
    page.wait_for_url(re.compile(r"/$"), timeout=PATIENCE)
    expect(page.locator("#sign-in")).to_be_visible(timeout=PATIENCE)
