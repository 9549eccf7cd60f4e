"""Pages keep to a strict Content-Security-Policy, and nothing they do needs another host."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import expect

from blossomtune_gradio.application import Application
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.ui.page import PAGES
from blossomtune_gradio.web.policy import NOTHING
from blossomtune_gradio.web.server import WebServer
from tests.browser import watched_page

HEADER = "content-security-policy"


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    app = Application(Settings(data_dir=tmp_path_factory.mktemp("policy"), port=0, fleet_port=0))
    with WebServer(app) as server:
        yield server.url
    app.close()


def directives(answer: httpx.Response) -> dict[str, list[str]]:
    """Those of the page's own policy, by name."""
    own = answer.headers.get_list(HEADER)[0]
    return {name: rest for name, *rest in (part.split() for part in own.split(";"))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
def test_a_page_allows_this_server_only_and_the_scripts_it_came_with(url, page):
    answer = httpx.get(f"{url}/{page.path}", trust_env=False)
    allowed = directives(answer)
    nonce = re.fullmatch("'nonce-([^']{20,})'", allowed["script-src"][1])
    assert nonce
    assert allowed.pop("script-src") == ["'self'", nonce[0], "'unsafe-eval'"]
    assert allowed.pop("img-src") == ["'self'", "data:", "blob:"]
    assert allowed.pop("style-src") == ["'self'", "'unsafe-inline'"]
    assert allowed.pop("default-src") == ["'none'"]
    assert set(map(tuple, allowed.values())) == {("'self'",)}
    assert {"connect-src", "form-action", "base-uri"} <= set(allowed)
    assert answer.headers.get_list(HEADER)[-1] == "frame-ancestors 'none'"
    scripts = re.findall("<script[^>]*>", answer.text)
    assert len(scripts) >= 4
    assert all(f'nonce="{nonce[1]}"' in script for script in scripts)


def test_each_answer_has_a_nonce_of_its_own(url):
    nonces = {directives(httpx.get(url, trust_env=False))["script-src"][1] for _ in range(3)}
    assert len(nonces) == 3


@pytest.mark.parametrize("path", ["healthz", "config", "nowhere", "theme.css"])
def test_what_is_no_page_may_do_nothing(url, path):
    policies = httpx.get(f"{url}/{path}", trust_env=False).headers.get_list(HEADER)
    assert policies == [NOTHING.decode(), "frame-ancestors 'none'"]


def test_every_page_works_within_it_and_asks_no_other_host(browser, url):
    shown = {"": "#run-empty", "join": "#ask", "runs": "#deploy-form", "admin": "#audit-empty"}
    assert set(shown) == {page.path for page in PAGES}
    with watched_page(browser, url) as page:
        page.add_init_script(
            "addEventListener('securitypolicyviolation', "
            "e => console.error('refused by the policy: ' + e.violatedDirective + e.blockedURI))"
        )
        for path, ready in shown.items():
            page.goto(f"{url}/{path}")
            expect(page.locator(ready).first).to_be_visible()


def test_the_policy_refuses_what_a_page_must_not_do(browser, url):
    with watched_page(browser, url) as page:
        page.goto(url)
        expect(page.locator("#run-empty")).to_be_visible()
    page = browser.new_context().new_page()
    page.goto(url)
    refused = page.evaluate(
        """async () => {
          const refused = [];
          addEventListener("securitypolicyviolation", (e) => refused.push(e.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "window.injected = true";
          document.head.append(script);
          await fetch("http://127.0.0.1:9/").catch(() => {});
          const image = new Image();
          image.src = "http://127.0.0.1:9/x.png";
          const form = document.createElement("form");
          Object.assign(form, { action: "http://127.0.0.1:9/", method: "post" });
          document.body.append(form);
          form.submit();
          await new Promise((done) => setTimeout(done, 0));
          while (refused.length < 4) await new Promise((done) => setTimeout(done, 20));
          return { refused: refused.sort(), injected: window.injected === true };
        }"""
    )
    page.context.close()
    assert json.dumps(refused) == json.dumps(
        {
            "refused": ["connect-src", "form-action", "img-src", "script-src-elem"],
            "injected": False,
        }
    )
