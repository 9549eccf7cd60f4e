"""Habits of issuers: what is offered is taken, and whatever is refused says why, to be found."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import httpx
import pytest

from blossomtune_gradio.providers import Provider
from blossomtune_gradio.services.audit.trail import AuditFilter
from blossomtune_gradio.tls import ensure_server_credentials
from blossomtune_gradio.web.oauth import OAuthClients
from blossomtune_gradio.web.sign_in_refused import SignInRefused
from tests.live import LiveFederation
from tests.oidc import OidcProvider, Wishes, answered, sign_in
from tests.people import ADMIN
from tests.support import free_port, wait_for

pytestmark = pytest.mark.slow
ODD_SECRET = "p+w/d:%~ and 32 more characters"
POST_ONLY = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
KEYS_ONLY = {"token_endpoint_auth_methods_supported": ["private_key_jwt"]}
SENDS_ISSUER = {"authorization_response_iss_parameter_supported": True}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return ensure_server_credentials(tmp_path_factory.mktemp("authority"), ["localhost"])


@pytest.fixture(scope="module")
def issuers(certificates) -> Iterator[dict[str, OidcProvider]]:
    pair = (str(certificates.cert), str(certificates.key))
    made = {
        "plain": OidcProvider("ada"),
        "hs256": OidcProvider("ada", alg="HS256", about={"jwks_uri": None}),
        "post-only": OidcProvider("ada", takes=["post"], about=POST_ONLY),
        "post-untold": OidcProvider("ada", takes=["post"], secret=ODD_SECRET),
        "encoded": OidcProvider("ada", takes=["encoded"], secret=ODD_SECRET),
        "as-it-is": OidcProvider("ada", takes=["basic"], secret="p+w/d:%~ and 32 characters"),
        "keys-only": OidcProvider("ada", about=KEYS_ONLY),
        "wrong-secret": OidcProvider("ada", takes=[]),
        "rfc9207": OidcProvider("ada", about=SENDS_ISSUER),
        "own-ca": OidcProvider("ada", certificate=pair),
        "unknown-ca": OidcProvider("ada", certificate=pair),
    }
    opened = []
    try:
        for issuer in made.values():
            opened.append(issuer.__enter__())
        yield made
    finally:
        for issuer in opened:
            issuer.__exit__()


@pytest.fixture(scope="module")
def federation(tmp_path_factory, issuers, certificates) -> Iterator[LiveFederation]:
    given = {"own-ca": str(certificates.ca_cert)}
    ways = [one.provider(name, name, given.get(name, "")) for name, one in issuers.items()]
    nowhere = f"http://127.0.0.1:{free_port()}"
    ways.append(
        Provider(name="gone", label="Gone", issuer=nowhere, client_id="c", client_secret="keep-me")
    )
    folder = tmp_path_factory.mktemp("habits")
    with LiveFederation(folder, providers=tuple(ways)) as made:
        yield made


@pytest.fixture
def client(federation) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=federation.server.url, trust_env=False, timeout=60) as made:
        yield made


@pytest.fixture(autouse=True)
def _well_behaved(issuers) -> Iterator[None]:
    yield
    for issuer in issuers.values():
        issuer.wishes = Wishes()


def come_back(client: httpx.Client, provider: str, name: str = "ada") -> httpx.Response:
    """Begin, say who one is, come back; the answer, good or bad."""
    begins = client.get(f"/login/{provider}")
    if begins.status_code != 302:
        return begins
    return client.get(answered(begins.headers["location"], name))


def reason(federation: LiveFederation, answer: httpx.Response) -> str:
    """Why a sign-in was refused: found in the log, and in the audit, by the number on the page."""
    assert answer.status_code >= 400, answer.text
    found = re.search(r"For the operator: <code>([A-Z2-9]{6})</code>", answer.text)
    assert found, answer.text
    log = "".join(federation.app.logs.all_lines("blossomtune")).splitlines()
    lines = [line for line in log if found[1] in line]
    assert len(lines) == 1, log[-5:]
    wanted = AuditFilter(action="account.refused", text=found[1])

    def audited() -> bool:
        federation.app.refusals.close()  # what is counted is written down without the wait
        federation.app.later.flush()
        return federation.app.audit.entries(ADMIN, wanted).total == 1

    wait_for(audited, 20)
    return lines[0]


@pytest.mark.parametrize(
    ("name", "proof"),
    [
        ("plain", ["basic"]),
        ("hs256", ["basic"]),
        ("post-only", ["post"]),
        ("post-untold", ["encoded", "basic", "post"]),
        ("encoded", ["encoded"]),
        ("as-it-is", ["encoded", "basic"]),
        ("own-ca", ["basic"]),
    ],
)
def test_what_the_issuer_offers_is_taken(client, issuers, name, proof):
    issuers[name].proofs.clear()
    sign_in(client, "ada", name)
    assert client.get("/me").json()["id"] == f"{name}:sub-ada"
    assert issuers[name].proofs == proof


@pytest.mark.parametrize(
    ("habit", "email"),
    [
        ({"email_verified": "true"}, "ada@example.org"),
        ({"email_verified": "True"}, "ada@example.org"),
        ({"email_verified": "false"}, ""),
        ({"email_verified": 1}, ""),
        ({"email_verified": None}, ""),
        ({"iat": 1.5, "preferred_username": None, "name": None}, "ada@example.org"),
        ({"groups": ["/clinic/department"] * 400}, "ada@example.org"),
    ],
)
def test_claims_are_read_as_issuers_write_them(client, issuers, habit, email):
    issuers["plain"].wishes.in_token = habit
    sign_in(client, "ada", "plain")
    assert client.get("/me").json()["email"] == email


@pytest.mark.parametrize("wish", ["aud_is_list", "text_answer", "no_kid", "new_keys"])
def test_keys_and_answers_are_taken_in_every_form(client, issuers, wish):
    sign_in(client, "ada", "plain")
    setattr(issuers["plain"].wishes, wish, True)
    sign_in(client, "ada", "plain")


def test_an_answer_that_names_its_issuer_is_taken(client, issuers):
    for name in ("plain", "rfc9207"):
        issuers[name].wishes.answer_issuer = issuers[name].url
        sign_in(client, "ada", name)


REFUSED = [
    ("keys-only", {}, "private_key_jwt"),
    ("wrong-secret", {}, "invalid_client"),
    ("rfc9207", {}, "RFC 9207"),
    ("plain", {"answer_issuer": "https://evil.test"}, "evil.test"),
    ("unknown-ca", {}, "BLOSSOMTUNE_OIDC_UNKNOWN_CA_CA"),
    ("gone", {}, "ConnectError"),
    ("none-such", {}, "no provider is called none-such"),
    ("plain", {"deny": True}, "access_denied"),
    ("plain", {"down": True}, "503"),
    ("plain", {"wrong_nonce": True}, "nonce"),
    ("plain", {"wrong_issuer": True}, "iss"),
    ("plain", {"wrong_audience": True}, "aud"),
    ("plain", {"wrong_key": True}, "BadSignatureError"),
    ("plain", {"in_token": {"nonce": None}}, "nonce"),
    ("plain", {"in_token": {"exp": 1}}, "expired"),
    ("plain", {"in_token": {"sub": ""}}, "sub"),
    ("plain", {"in_token": {"sub": None}}, "sub"),
    ("plain", {"in_token": {"sub": True}}, "sub"),
    ("plain", {"in_token": {"sub": ["a"]}}, "sub"),
    ("plain", {"in_token": {"sub": 12345}}, "'sub' must be"),
    ("plain", {"in_token": {"aud": "other", "azp": "blossomtune"}}, "aud"),
    ("plain", {"in_token": {"sub": "jürgen"}}, "sub is 'jürgen'"),
]


@pytest.mark.parametrize(("name", "wishes", "said"), REFUSED)
def test_every_refusal_has_its_reason_under_the_number_on_the_page(
    client, federation, issuers, name, wishes, said
):
    for wish, value in wishes.items():
        setattr(issuers[name].wishes, wish, value)
    line = reason(federation, come_back(client, name))
    assert said in line
    assert "keep-me" not in line
    assert client.get("/me").json()["signed_in"] is False


def test_an_answer_to_nothing_has_its_reason_too(client, federation):
    for path in ("/login/callback/plain", "/login/callback/plain?code=x&state=y"):
        assert "mismatching_state" in reason(federation, client.get(path))


def test_an_issuer_that_takes_for_ever_is_given_up_after_the_deadline(issuers):
    issuers["plain"].wishes.token_seconds = 30
    clients, kept = OAuthClients([issuers["plain"].provider("plain")], total_seconds=1.0), {}
    back = "http://localhost/login/callback/plain"

    async def both() -> None:
        where = await clients.begin("plain", back, kept)
        path = answered(where, "ada")
        query = httpx.QueryParams(path.partition("?")[2])
        request = type("Asked", (), {"scope": {"method": "GET"}, "query_params": query})()
        await clients.finish("plain", request, kept)

    with pytest.raises(SignInRefused, match="does not answer") as refused:
        asyncio.run(both())
    assert "no complete answer" in refused.value.reason
