"""The journey the product is named for, in a real browser, up to sites that are online.

A real sign-in provider, a real mail server, real SuperLink and `join.py`, all on loopback: once as
on a Hugging Face Space (its variables, https in front), once self-hosted (own certificate, OpenID
Connect), once in local mode.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import config
from blossomtune_gradio.tls import ensure_server_credentials
from tests.browser import chromium
from tests.live import PATH, LiveFederation
from tests.mail_servers import Inbox, mail_server, text_of
from tests.oidc import CLIENT, SECRET, OidcProvider
from tests.support import free_port, wait_for
from tests.test_preflight import proxy as company_proxy
from tests.tls_door import TlsDoor

pytestmark = [pytest.mark.slow, pytest.mark.browser]
SECOND = 1000.0
SOON, LATER = {"timeout": 30 * SECOND}, {"timeout": 90 * SECOND}
SPACE, SELF_HOSTED = "blossom-lab-fl.hf.space", "fl.hospital.example"
CODE = re.compile(r"\b[A-Z0-9]{4}-[A-Z0-9]{4}\b")


@dataclass(frozen=True)
class World:
    """All that is outside of the program."""

    browser: Browser
    provider: OidcProvider
    inbox: Inbox
    mail_port: int
    ports: Mapping[str, int]  # by host: where the browser finds it

    def mail(self, recipient: str, subject: str) -> EmailMessage:
        """The newest mail of that kind, once it has come."""

        def found() -> list[EmailMessage]:
            return [
                m
                for m in self.inbox.messages()
                if m["To"] == recipient and subject in m["Subject"].lower()
            ]

        wait_for(found, 30)
        return found()[-1]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    ports = {SPACE: free_port(), SELF_HOSTED: free_port()}
    rules = ", ".join(f"MAP {host} 127.0.0.1:{port}" for host, port in ports.items())
    inbox = Inbox()
    with (
        OidcProvider("ada", "bob", "root") as provider,
        mail_server(inbox) as mail_port,
        # The whole browser takes our CA for a public one: what a page allows itself does not count
        # for a download that needs a new connection.
        chromium(f"--host-resolver-rules={rules}", "--ignore-certificate-errors") as browser,
    ):
        yield World(browser, provider, inbox, mail_port, ports)


@contextmanager
def space(world: World, folder: Path) -> Iterator[LiveFederation]:
    """As the program runs on a Space: the variables it is given there, https in front."""
    inside = free_port()
    variables = {
        "SPACE_ID": "blossom-lab/fl",
        "SPACE_HOST": SPACE,
        "OAUTH_CLIENT_ID": CLIENT,
        "OAUTH_CLIENT_SECRET": SECRET,
        "OAUTH_SCOPES": "openid profile email",
        "OPENID_PROVIDER_URL": world.provider.url,
        "BLOSSOMTUNE_HOST": "127.0.0.1",
        "BLOSSOMTUNE_PORT": str(inside),
        "BLOSSOMTUNE_ADMINS": "hf:root",
    }
    door = TlsDoor(world.ports[SPACE], inside, ensure_server_credentials(folder / "tls", [SPACE]))
    with LiveFederation(folder, **options(world, variables)) as live, door:
        yield live


@contextmanager
def self_hosted(world: World, folder: Path) -> Iterator[LiveFederation]:
    """A machine of the hospital with its own certificate and OpenID Connect."""
    tls = ensure_server_credentials(folder / "tls", [SELF_HOSTED])
    variables = {
        "BLOSSOMTUNE_PUBLIC_URL": f"https://{SELF_HOSTED}",
        "BLOSSOMTUNE_PORT": str(world.ports[SELF_HOSTED]),
        "BLOSSOMTUNE_TLS_CERT": str(tls.cert),
        "BLOSSOMTUNE_TLS_KEY": str(tls.key),
        "BLOSSOMTUNE_OIDC_KEYCLOAK_ISSUER": world.provider.url,
        "BLOSSOMTUNE_OIDC_KEYCLOAK_CLIENT_ID": CLIENT,
        "BLOSSOMTUNE_OIDC_KEYCLOAK_CLIENT_SECRET": SECRET,
        "BLOSSOMTUNE_ADMINS": "keycloak:root",
    }
    with LiveFederation(folder, **options(world, variables)) as live:
        yield live


def options(world: World, variables: Mapping[str, str]) -> dict[str, object]:
    """What `config.py` makes of these variables, with the mail server, on free ports."""
    mail = {
        "BLOSSOMTUNE_SMTP_URL": f"smtp://127.0.0.1:{world.mail_port}",
        "BLOSSOMTUNE_MAIL_FROM": "Federation <fl@example.org>",
    }
    made = config.load({**variables, **mail})
    told = dict(made)
    ours = ("data_dir", "flower_apps_dir", "fleet_port", "partitions", "site_preload")
    return {name: value for name, value in told.items() if name not in ours}


@pytest.mark.parametrize("place", [space, self_hosted])
def test_two_people_and_an_admin_come_to_two_sites_that_are_online(world, tmp_path, place):
    host = SPACE if place is space else SELF_HOSTED
    url = f"https://{host}"
    world.inbox.mails.clear()
    company = company_proxy(("127.0.0.1", world.ports[host]))
    with place(world, tmp_path) as live, company as proxy, ExitStack() as stack:
        outside = {
            "HTTPS_PROXY": f"http://{proxy}",
            "SSL_CERT_FILE": str(tmp_path / "tls" / "ca.pem"),
        }
        assert live.app.entrances.sentence == f"Sites join at {url} (public certificate)."
        admin = open_page(world, stack, f"{url}/login?next=/admin")
        admin.locator("#as-root").click()
        admin.locator("#superlink-start").click(**LATER)
        people = {}
        for name in ("ada", "bob"):
            page = people[name] = open_page(world, stack, f"{url}/join")
            expect(page.locator("#about-title")).to_be_visible(**SOON)  # a stranger reads what for
            page.locator("#join-sign-in a").click(**SOON)
            page.locator(f"#as-{name}").click()
            expect(page.locator("#join-title")).to_have_text("Ask for access", **SOON)
            expect(page.locator("#ask-email")).to_have_value(f"{name}@example.org")
            page.locator("#ask-site").fill(f"Hospital of {name.title()}")
            page.locator("#ask-send").click()
            expect(page.locator("#join-title")).to_have_text("Prove your e-mail address", **SOON)
            code = CODE.search(text_of(world.mail(f"{name}@example.org", "code")))
            assert code
            page.locator("#prove-code").fill(code.group())
            page.locator("#prove-send").click()
            expect(page.locator("#join-title")).to_have_text("An admin decides", **SOON)
        assert "Hospital of Bob" in str(world.mail("root@example.org", "hospital of bob"))

        expect(admin.locator("#superlink-state")).to_contain_text("running", **LATER)
        for name in people:
            row = admin.locator("#participants tbody tr", has_text=f"Hospital of {name.title()}")
            row.get_by_role("button", name=re.compile("^Approve")).click(**SOON)
            expect(people[name].locator("#join-title")).to_have_text("Get your kit", **SOON)
            world.mail(f"{name}@example.org", "approved")
            stack.enter_context(site(people[name], tmp_path / name, outside, check=name == "ada"))
        for page in people.values():
            expect(page.locator("#join-title")).to_have_text("Your site is connected", **LATER)
        assert live.online() == {"Hospital of Ada", "Hospital of Bob"}
        assert people["ada"].locator("text=Hospital of Bob").count() == 0


def test_in_local_mode_one_person_comes_to_a_site_that_is_online(world, tmp_path):
    with LiveFederation(tmp_path) as live, ExitStack() as stack:
        page = open_page(world, stack, f"{live.server.url}/join")
        page.locator("#ask-site").fill("My laptop", **SOON)
        page.locator("#ask-email").fill("me@example.org")
        page.locator("#ask-send").click()
        expect(page.locator("#prove-outbox")).to_be_visible(**SOON)
        page.locator("#prove-outbox a").click()
        mail = page.locator("#outbox li", has_text="me@example.org")
        code = CODE.search(mail.first.text_content(**SOON) or "")
        assert code
        page.locator("#superlink-start").click(**SOON)
        page.locator("#nav-join").click()
        page.locator("#prove-code").fill(code.group(), **SOON)
        page.locator("#prove-send").click()
        expect(page.locator("#join-title")).to_have_text("An admin decides", **SOON)
        page.locator("#nav-admin").click()
        page.get_by_role("button", name="Approve My laptop").click(**SOON)
        expect(page.locator("#superlink-state")).to_contain_text("running", **LATER)
        page.locator("#nav-join").click()
        expect(page.locator("#join-title")).to_have_text("Get your kit", **SOON)
        with site(page, tmp_path / "laptop", {}, check=False):
            expect(page.locator("#join-title")).to_have_text("Your site is connected", **LATER)
            assert live.online() == {"My laptop"}


def open_page(world: World, stack: ExitStack, url: str) -> Page:
    """A page in a browser of its own, as on another person's machine."""
    context = world.browser.new_context()
    stack.callback(context.close)
    page = context.new_page()
    page.goto(url)
    return page


@contextmanager
def site(page: Page, folder: Path, more: Mapping[str, str], *, check: bool) -> Iterator[None]:
    """Download the kit from the page, unpack it and run it as its README says.

    `more`: variables of the site's machine. Its company's proxy knows the way to the server, whose
    CA plays the public one.
    """
    with page.expect_download() as download:
        page.locator("#kit-link").click()
    zipfile.ZipFile(download.value.path()).extractall(folder)
    env = {"PATH": PATH, "HOME": str(folder), **more}
    if check:
        command = [sys.executable, "join.py", "--check"]
        seen = subprocess.run(command, cwd=folder, env=env, capture_output=True, timeout=60)
        assert seen.returncode == 0, seen.stdout.decode()
    with (folder / "out.txt").open("wb") as out:
        command = [sys.executable, "join.py", "--plain"]
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
