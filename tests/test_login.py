"""Signing in over HTTP, and every known way to get in without: forged, stolen, late, from afar."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import select, update

import config
from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.settings import LOCAL_HOSTS
from blossomtune_gradio.store.models import AuditEntry, SignIn, now
from blossomtune_gradio.web.login import own_path
from blossomtune_gradio.web.sessions import Cookies
from tests.live import LiveFederation
from tests.oidc import (
    FakeGitHub,
    OidcProvider,
    Wishes,
    answered,
    begun,
    claims,
    sign_in,
    signed_in,
    state_of,
)
from tests.support import wait_for

pytestmark = pytest.mark.slow
PEOPLE = ("boss", "ada", "ben")
COOKIE = "blossomtune"
CROSS_SITE = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.test"},
    {"origin": "null"},
]


@pytest.fixture(scope="module")
def issuer() -> Iterator[OidcProvider]:
    with OidcProvider(*PEOPLE) as made:
        yield made


@pytest.fixture(scope="module")
def second_issuer() -> Iterator[OidcProvider]:
    with OidcProvider("boss", "zoe") as made:
        yield made


@pytest.fixture(scope="module")
def github() -> Iterator[FakeGitHub]:
    with FakeGitHub(octo=True, dodgy=False) as made:
        yield made


@pytest.fixture(scope="module")
def federation(tmp_path_factory, issuer, second_issuer, github) -> Iterator[LiveFederation]:
    with LiveFederation(
        tmp_path_factory.mktemp("login"),
        providers=(
            issuer.provider("hf", "Hugging Face"),
            second_issuer.provider("keycloak", "University"),
            github.provider(),
        ),
        admins=frozenset(("hf:boss", "github:octo", "hf:carol")),
        researchers=frozenset(("hf-org:lab",)),
        trusted_proxies=frozenset(("127.0.0.1",)),
    ) as made:
        yield made


@pytest.fixture
def url(federation: LiveFederation) -> str:
    return federation.server.url


@pytest.fixture(autouse=True)
def _well_behaved(issuer: OidcProvider) -> Iterator[None]:
    yield
    issuer.wishes = Wishes()


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, trust_env=False) as made:
        yield made


def me(client: httpx.Client) -> dict[str, object]:
    told: dict[str, object] = client.get("/me").json()
    return told


# -- in and out ----------------------------------------------------------------------------


def test_the_list_names_every_provider_and_leads_on_to_the_page_that_was_wanted(client):
    text = client.get("/login", params={"next": "/runs"}).text
    for name, label in (("hf", "Hugging Face"), ("keycloak", "University"), ("github", "GitHub")):
        assert f"Continue with {label}" in text
        assert f"/login/{name}?next=%2Fruns" in text


def test_somebody_signs_in_and_out_again(client):
    sign_in(client, "ada", after="/runs")
    assert (me(client)["id"], me(client)["role"]) == ("hf:sub-ada", "participant")
    assert client.post("/logout").status_code == 303
    assert me(client)["role"] == "anyone"
    assert COOKIE not in client.cookies


def test_the_browser_comes_back_to_the_page_that_was_wanted(client):
    done = client.get(answered(begun(client, after="/runs?x=1"), "ada"))
    assert done.headers["location"] == "/runs?x=1"


def test_one_name_at_two_providers_is_two_people(client):
    sign_in(client, "boss", "keycloak")
    assert (me(client)["id"], me(client)["role"]) == ("keycloak:sub-boss", "participant")
    sign_in(client, "boss", "hf")
    assert me(client)["role"] == "admin"


def test_an_audience_may_be_a_list(client, issuer):
    issuer.wishes.aud_is_list = True
    sign_in(client, "ada")
    assert me(client)["signed_in"]


@pytest.mark.parametrize("in_token", [True, False])
def test_organisations_come_from_the_token_or_from_the_userinfo(client, issuer, in_token):
    issuer.people["mia"] = claims("mia", orgs=[{"sub": "o1", "preferred_username": "lab"}])
    issuer.wishes.no_organisations_in_token = not in_token
    sign_in(client, "mia")
    assert me(client)["role"] == "researcher"


def test_only_a_verified_address_is_taken(client, issuer):
    issuer.people["eve"] = claims("eve", email="boss@example.org", email_verified=False)
    sign_in(client, "eve")
    assert me(client)["email"] == ""


def test_github_signs_in_and_only_its_verified_address_is_taken(client):
    sign_in(client, "octo", "github")
    assert (me(client)["id"], me(client)["role"]) == ("github:1", "admin")
    assert me(client)["email"] == "octo@example.org"
    sign_in(client, "dodgy", "github")
    assert (me(client)["email"], me(client)["role"]) == ("", "participant")


def test_signing_out_everywhere_ends_the_sessions_of_the_other_devices(url):
    phone, laptop, other = (signed_in(url, name) for name in ("ada", "ada", "ben"))
    assert phone.post("/logout/everywhere").status_code == 303
    assert [me(c)["signed_in"] for c in (phone, laptop, other)] == [False, False, True]


def test_who_signed_in_from_where_is_in_the_audit_and_a_forged_address_is_not(client, federation):
    for header in ("198.51.100.9", "6.6.6.6, 198.51.100.9"):
        callback = answered(begun(client), "ben")
        client.get(callback, headers={"x-forwarded-for": header})
        query = select(AuditEntry).order_by(AuditEntry.id.desc())
        with federation.app.database.read() as session:
            entry = session.scalars(query).first()
        assert (entry.action, entry.actor) == ("account.sign_in", "hf:sub-ben")
        assert entry.address == "198.51.100.9"


# -- faults of the provider ----------------------------------------------------------------


@pytest.mark.parametrize(
    "wish", ["down", "deny", "wrong_nonce", "wrong_key", "wrong_issuer", "wrong_audience"]
)
def test_a_fault_of_the_provider_is_a_sentence_and_nobody_is_signed_in(client, issuer, wish):
    start = begun(client)
    setattr(issuer.wishes, wish, True)
    done = client.get(answered(start, "ada"))
    assert done.status_code in (400, 502)
    assert "You are not signed in" in done.text
    assert "Try again" in done.text
    assert "Traceback" not in done.text
    assert COOKIE not in client.cookies


def test_a_provider_that_is_away_is_told_before_the_browser_leaves(tmp_path, issuer):
    with LiveFederation(tmp_path, providers=(issuer.provider(),)) as made:
        issuer.wishes.down = True
        with httpx.Client(base_url=made.server.url, trust_env=False) as client:
            told = client.get("/login/hf")
            assert (told.status_code, "does not answer" in told.text) == (502, True)
            assert client.get("/login").headers["location"] == "/login/hf?next=%2F"


def test_an_unknown_provider_is_a_sentence(client):
    for path in ("/login/nope", "/login/callback/nope"):
        answer = client.get(path)
        assert (answer.status_code, "no such way" in answer.text) == (404, True)


def test_an_account_number_no_provider_may_send_is_refused_with_a_sentence(client, issuer):
    for number, sub in enumerate(("züri", "two\nlines", "x" * 256)):
        issuer.people[f"odd{number}"] = claims(f"odd{number}", sub=sub)
        done = client.get(answered(begun(client), f"odd{number}"))
        assert (done.status_code, "account number" in done.text) == (400, True)
    assert me(client)["signed_in"] is False


# -- attacks -------------------------------------------------------------------------------


def test_a_name_with_an_invisible_sign_does_not_get_the_role_of_the_one_without(client, issuer):
    issuer.people["imposter"] = claims("imposter", preferred_username="carol\u200f")
    client.get(answered(begun(client), "imposter"))
    assert (me(client)["signed_in"], me(client)["role"]) == (True, "participant")


def test_the_state_of_another_browser_is_refused(url, client):
    attacker = httpx.Client(base_url=url, trust_env=False)
    theirs = answered(begun(attacker), "ben")  # "sign in as me": login CSRF
    begun(client)
    for path in (theirs, theirs.replace(state_of_path(theirs), "made-up")):
        assert "another tab" in client.get(path).text
    assert me(client)["signed_in"] is False
    assert client.get("/login/callback?code=x").status_code == 400


def state_of_path(path: str) -> str:
    return parse_qs(urlsplit(path).query)["state"][0]


def test_an_answer_for_one_provider_is_refused_at_another(client):
    path = answered(begun(client, "hf"), "ada")
    done = client.get(path.replace("/login/callback", "/login/callback/keycloak"))
    assert (done.status_code, me(client)["signed_in"]) == (400, False)


def test_an_answer_works_once(client):
    path = answered(begun(client), "ada")
    assert client.get(path).status_code == 303
    client.cookies.delete(COOKIE)
    assert client.get(path).status_code == 400


def test_the_request_to_the_provider_carries_pkce_state_and_nonce(client):
    asked = parse_qs(urlsplit(begun(client)).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["response_type"] == ["code"]
    assert all(len(asked[name][0]) >= 20 for name in ("code_challenge", "state", "nonce"))
    assert state_of(begun(client)) != state_of(begun(client))


def test_a_forged_cookie_is_worth_nothing(url, federation):
    good = signed_in(url, "boss").cookies[COOKIE]
    body, signed_at, signature = good.split(".")
    stranger_key = URLSafeTimedSerializer(b"x" * 32, salt="session")
    ours = Cookies(federation.app.settings.data_dir / "session.key", https=False, hours=1)
    for forged in (
        stranger_key.dumps("anything"),
        ours._session.dumps("a-session-nobody-has"),
        ours._login.dumps("another salt"),
        f"{body}.{signed_at}.{signature[::-1]}",
        f"{body[::-1]}.{signed_at}.{signature}",
        body,
        "x" * 5000,
    ):
        answer = httpx.get(f"{url}/me", cookies={COOKIE: forged}, trust_env=False)
        assert answer.json()["role"] == "anyone", forged[:60]


def test_a_cookie_that_was_copied_dies_with_the_session(url):
    client = signed_in(url, "boss")
    copied = {COOKIE: client.cookies[COOKIE]}
    assert httpx.get(f"{url}/me", cookies=copied, trust_env=False).json()["role"] == "admin"
    client.post("/logout")
    assert httpx.get(f"{url}/me", cookies=copied, trust_env=False).json()["role"] == "anyone"


def test_an_expired_session_is_over_even_in_a_browser_that_keeps_its_cookie(url, federation):
    client = signed_in(url, "zoe", "keycloak")
    kept = {COOKIE: client.cookies[COOKIE]}
    ended = update(SignIn).where(SignIn.account_id == "keycloak:sub-zoe")
    with federation.app.database.write() as session:
        session.execute(ended.values(expires_at=now() - timedelta(seconds=1)))
    assert httpx.get(f"{url}/me", cookies=kept, trust_env=False).json()["role"] == "anyone"


def test_a_cookie_is_too_old_by_its_own_signature_as_well(tmp_path):
    cookies = Cookies(tmp_path / "key", https=False, hours=1 / 3600)
    old = cookies._session.dumps("id")
    asked = type("Asked", (), {"cookies": {COOKIE: old}})()
    assert cookies.session_id(asked) == "id"
    wait_for(lambda: cookies.session_id(asked) == "", 10)


def test_a_session_that_was_planted_before_signing_in_is_worth_nothing_after(url):
    attacker = signed_in(url, "ben")
    planted = attacker.cookies[COOKIE]
    victim = httpx.Client(base_url=url, trust_env=False)
    victim.cookies.set(COOKIE, planted, domain="127.0.0.1")
    sign_in(victim, "boss")
    values = [cookie.value for cookie in victim.cookies.jar if cookie.name == COOKIE]
    assert values.count(planted) == 0
    assert me(victim)["id"] == "hf:sub-boss"
    assert me(attacker)["signed_in"] is False  # never boss, and no longer ben


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.test/",
        "//evil.test/",
        "/\\evil.test/",
        "\\\\evil.test",
        "/\t/evil.test",
        "///evil.test",
        "javascript:alert(1)",
        "/ok\r\nset-cookie: a=b",
        "evil.test",
        "",
        "/@evil.test:80\\",
    ],
)
def test_nobody_is_led_to_another_site_after_signing_in(client, target):
    done = client.get(answered(begun(client, after=target), "ada"))
    assert done.headers["location"] == "/"
    assert "evil" not in client.get(f"/login?next={quote(target)}").text


def test_a_path_of_ours_is_kept():
    for path in ("/", "/runs", "/runs/3?tab=log&x=%20y", "/download/kit/4"):
        assert own_path(path) == path
    assert own_path(None) == "/"


@pytest.mark.parametrize("headers", CROSS_SITE)
@pytest.mark.parametrize(
    "path", ["/gradio_api/queue/join", "/gradio_api/component_server", "/logout", "/api/v1/join"]
)
def test_another_site_cannot_use_the_session_of_an_admin(url, headers, path):
    client = signed_in(url, "boss")
    body = {"data": [], "fn_index": 0, "session_hash": "x"}
    assert client.post(path, json=body, headers=headers).status_code == 403
    assert me(client)["role"] == "admin"


def test_no_answer_may_be_read_by_another_site(url):
    client, evil = signed_in(url, "boss"), {"origin": "https://evil.test"}
    for path in ("/config", "/me", "/", "/theme.css", "/gradio_api/startup-events"):
        answer = client.get(path, headers=evil)
        assert [h for h in answer.headers if h.startswith("access-control")] == []
    wants = {**evil, "access-control-request-method": "POST"}
    asked = client.options("/gradio_api/queue/join", headers=wants)
    assert asked.status_code == 405
    assert [h for h in asked.headers if h.startswith("access-control")] == []


def test_a_host_that_is_not_ours_gets_nothing(url):
    client = signed_in(url, "boss")
    assert client.get("/me", headers={"host": "rebound.evil.test"}).status_code == 400
    body = {"data": [], "fn_index": 0, "session_hash": "x"}
    rebound = {"host": "rebound.evil.test", "origin": "http://rebound.evil.test"}
    assert client.post("/gradio_api/queue/join", json=body, headers=rebound).status_code == 400


def test_every_answer_carries_the_headers_for_safety(client):
    for path in ("/", "/login", "/me", "/nothing-here", "/assets/nothing.js"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers.get_list("content-security-policy")[-1]
        assert "strict-transport-security" not in headers  # this is http


def test_the_cookie_is_small_and_out_of_reach_of_scripts(client):
    done = client.get(answered(begun(client), "ada"))
    cookie = next(c for c in done.headers.get_list("set-cookie") if c.startswith(f"{COOKIE}="))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert len(cookie) < 250
    assert "sub-ada" not in cookie


def test_the_key_is_for_its_owner_only_and_a_damaged_one_is_told(federation, tmp_path):
    key = federation.app.settings.data_dir / "session.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) == 32
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(SettingsError, match="damaged"):
        Cookies(tmp_path / "key", https=True, hours=1)


# -- local mode ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Iterator[LiveFederation]:
    with LiveFederation(tmp_path_factory.mktemp("local")) as made:
        yield made


def test_in_local_mode_everybody_here_is_admin_and_nobody_signs_in(local):
    with httpx.Client(base_url=local.server.url, trust_env=False) as client:
        assert (me(client)["id"], me(client)["role"]) == ("local:admin", "admin")
        assert client.get("/login").headers["location"] == "/"
        assert client.get("/login/hf").status_code == 404
        assert client.post("/logout/everywhere").status_code == 303


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
def test_in_local_mode_who_comes_through_a_proxy_is_a_stranger(local, header):
    told = httpx.get(f"{local.server.url}/me", headers={header: "203.0.113.5"}, trust_env=False)
    assert told.json()["role"] == "anyone"


def test_in_local_mode_a_rebound_name_is_refused(local):
    rebound = {"host": "rebound.evil.test", "origin": "http://rebound.evil.test"}
    body = {"data": [], "fn_index": 0, "session_hash": "x"}
    where = f"{local.server.url}/gradio_api/queue/join"
    assert httpx.post(where, json=body, headers=rebound, trust_env=False).status_code == 400


def test_authlib_is_not_even_imported_before_somebody_signs_in():
    script = "import blossomtune_gradio.web.server, sys; print('authlib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "False", done.stderr


# -- from the environment ------------------------------------------------------------------


SPACE = {
    "SPACE_HOST": "alice-blossom.hf.space",
    "SPACE_ID": "alice/blossom",
    "OAUTH_CLIENT_ID": "id",
    "OAUTH_CLIENT_SECRET": "secret",
    "OAUTH_SCOPES": "openid profile",
    "OPENID_PROVIDER_URL": "https://huggingface.co",
}


def test_what_a_space_injects_is_all_that_is_needed():
    made = config.load(SPACE)
    only = made.providers[0]
    assert (only.name, only.issuer, only.scopes) == (
        "hf",
        "https://huggingface.co",
        "openid profile",
    )
    assert (made.host, made.public_url) == ("0.0.0.0", "https://alice-blossom.hf.space")
    assert made.hosts - LOCAL_HOSTS == {"alice-blossom.hf.space"}
    assert made.is_https
    assert made.trusted_proxies


def test_a_space_without_sign_in_does_not_start_and_is_told_the_line_to_add():
    with pytest.raises(SettingsError, match="hf_oauth: true"):
        config.load({"SPACE_HOST": SPACE["SPACE_HOST"]})


def test_any_number_of_issuers_and_github_are_read():
    made = config.load(
        {
            "BLOSSOMTUNE_OIDC_KEYCLOAK_ISSUER": "https://id.example.org/realms/x",
            "BLOSSOMTUNE_OIDC_KEYCLOAK_CLIENT_ID": "a",
            "BLOSSOMTUNE_OIDC_KEYCLOAK_CLIENT_SECRET": "b",
            "BLOSSOMTUNE_OIDC_UNI_LOGIN_ISSUER": "https://login.uni.example",
            "BLOSSOMTUNE_OIDC_UNI_LOGIN_CLIENT_ID": "a",
            "BLOSSOMTUNE_OIDC_UNI_LOGIN_CLIENT_SECRET": "b",
            "BLOSSOMTUNE_OIDC_UNI_LOGIN_LABEL": "The University",
            "BLOSSOMTUNE_OIDC_UNI_LOGIN_SCOPES": "openid",
            "BLOSSOMTUNE_GITHUB_CLIENT_ID": "a",
            "BLOSSOMTUNE_GITHUB_CLIENT_SECRET": "b",
            "BLOSSOMTUNE_ADMINS": " keycloak:bob , github:octo ",
            "BLOSSOMTUNE_SESSION_HOURS": "1.5",
        }
    )
    told = [(p.name, p.label, p.kind) for p in made.providers]
    assert told == [
        ("keycloak", "Keycloak", "oidc"),
        ("uni-login", "The University", "oidc"),
        ("github", "GitHub", "github"),
    ]
    assert made.admins == {"keycloak:bob", "github:octo"}


@pytest.mark.parametrize(
    "variables",
    [
        {"BLOSSOMTUNE_OIDC_KEYCLOAK_ISSUER": "https://id.example.org"},
        {"BLOSSOMTUNE_OIDC_KEYCLOAK_SECRET": "b"},
        {"BLOSSOMTUNE_GITHUB_CLIENT_ID": "a"},
        {"BLOSSOMTUNE_PROVIDERS": "a"},
        {"BLOSSOMTUNE_SPACE_HOSTS": "a"},
    ],
)
def test_a_variable_that_is_missing_or_unknown_is_told(variables):
    with pytest.raises(SettingsError):
        config.load(variables)


def test_the_lines_in_the_manual_are_settings_that_are_taken():
    manual = (Path(__file__).parent.parent / "docs" / "sign-in.md").read_text()
    lines = re.search(r"```sh\n(.*?)```", manual, re.DOTALL)[1].splitlines()
    made = config.load(dict(line.replace('"', "").split("=", 1) for line in lines))
    assert made.providers[0].label == "Research login"
    assert made.admins == {"keycloak:ada"}
