"""Sign-in providers on loopback: a real OpenID Connect one and GitHub's OAuth, told what to do.

They check what a real one checks (redirect address, PKCE, client secret, one-time codes) and sign
with a key of their own. Nothing of the program is patched: it is given their address.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import secrets
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import httpx
import uvicorn
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from playwright.sync_api import BrowserContext
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from blossomtune_gradio.providers import Provider, github
from tests.support import free_port, wait_for

CLIENT, SECRET = "blossomtune", "keep-me"
Claims = dict[str, Any]


def claims(name: str, sub: str = "", **more: Any) -> Claims:
    """What a provider tells of somebody."""
    return {
        "sub": sub or f"sub-{name}",
        "preferred_username": name,
        "name": name.title(),
        "email": f"{name}@example.org",
        "email_verified": True,
        "orgs": [],
    } | more


@dataclass
class Wishes:
    """How the provider behaves; a test changes it."""

    aud_is_list: bool = False
    down: bool = False  # 503 for everything
    deny: bool = False  # access_denied instead of a code
    wrong_nonce: bool = False
    wrong_key: bool = False
    wrong_issuer: bool = False
    wrong_audience: bool = False
    no_organisations_in_token: bool = False
    answer_issuer: str = ""  # the `iss` of RFC 9207 beside the code
    in_token: dict[str, Any] = field(default_factory=dict)  # claims instead; None: left out
    text_answer: bool = False  # the token as text/plain
    no_kid: bool = False
    new_keys: bool = False  # signed by a key that is only handed out from now on
    token_seconds: float = 0  # until the token comes


class Served:
    """A Starlette app in a thread, as a context manager."""

    def __init__(self, app: Starlette, certificate: tuple[str, str] = ("", "")) -> None:
        self.port = free_port()
        self.url = f"{'https' if certificate[0] else 'http'}://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=self.port,
            log_level="warning",
            ssl_certfile=certificate[0] or None,
            ssl_keyfile=certificate[1] or None,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Any:
        self._thread.start()
        wait_for(lambda: self._server.started, 30)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)


class OidcProvider(Served):
    """OpenID Connect with authorization code and PKCE; `people` may be changed at any time."""

    def __init__(
        self,
        *names: str,
        people: Mapping[str, Claims] | None = None,
        secret: str = SECRET,
        takes: Collection[str] = ("basic",),
        about: Mapping[str, Any] | None = None,
        alg: str = "RS256",
        certificate: tuple[str, str] = ("", ""),
    ) -> None:
        """`takes`: "basic", "encoded" (RFC 6749, 2.3.1) and "post"; `about` is told of itself."""
        self._secret, self._takes, self._more, self._alg = secret, takes, dict(about or {}), alg
        self.proofs: list[str] = []  # how the secret was sent, in order
        self.people = {name: claims(name) for name in names} | dict(people or {})
        self.wishes = Wishes()
        self._key = RSAKey.generate_key(2048, parameters={"kid": "one", "alg": "RS256"})
        self._other_key = RSAKey.generate_key(2048, parameters={"kid": "one", "alg": "RS256"})
        self._codes: dict[str, Claims] = {}
        self._tokens: dict[str, str] = {}
        super().__init__(
            Starlette(
                routes=[
                    Route("/.well-known/openid-configuration", self._about),
                    Route("/keys", self._keys),
                    Route("/authorize", self._authorize),
                    Route("/token", self._token, methods=["POST"]),
                    Route("/userinfo", self._userinfo),
                ]
            ),
            certificate,
        )

    def provider(self, name: str = "hf", label: str = "", ca: str = "") -> Provider:
        """How the program is told of it."""
        return Provider(
            name=name,
            label=label or name.title(),
            issuer=self.url,
            client_id=CLIENT,
            client_secret=self._secret,
            ca=ca,
        )

    async def _about(self, _: Request) -> Response:
        if self.wishes.down:
            return Response("down", 503)
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "jwks_uri": f"{self.url}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [self._alg],
                "code_challenge_methods_supported": ["S256"],
            }
            | self._more
        )

    async def _keys(self, _: Request) -> Response:
        if self._alg == "HS256":
            return JSONResponse({})
        keys = [self._key.as_dict(private=False)]
        if self.wishes.new_keys:
            keys = [self._other_key.as_dict(private=False)]
        strange = {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "use": "sig"}
        if self.wishes.no_kid:
            keys = [strange, self._other_key.as_dict(private=False), *keys]
            keys = [{k: v for k, v in key.items() if k != "kid"} for key in keys]
        return JSONResponse({"keys": [strange, *keys]})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        name = asked.pop("as", None)
        if asked.get("client_id") != CLIENT or asked.get("code_challenge_method") != "S256":
            return Response("no such client, or no PKCE", 400)
        if name is None and not self.wishes.deny:
            return HTMLResponse("<h1>Who are you?</h1>" + _links(asked, self.people))
        answer = {"state": asked["state"]}
        if self.wishes.answer_issuer:
            answer["iss"] = self.wishes.answer_issuer
        if self.wishes.deny:
            answer["error"] = "access_denied"
        else:
            answer["code"] = secrets.token_urlsafe(16)
            self._codes[answer["code"]] = {**asked, "name": name}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 302)

    async def _token(self, request: Request) -> Response:
        if self.wishes.down:
            return Response("down", 503)
        await asyncio.sleep(self.wishes.token_seconds)
        form = dict(await request.form())
        proof = self._proof(request, form)
        self.proofs.append(proof)
        if proof not in self._takes:
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self._codes.pop(str(form.get("code")), None)
        if asked is None or not _fits(form, asked):
            return JSONResponse({"error": "invalid_grant"}, 400)
        access = secrets.token_urlsafe(16)
        self._tokens[access] = asked["name"]
        token = {"access_token": access, "token_type": "bearer", "expires_in": 3600}
        answer = JSONResponse(token | {"id_token": self._id_token(asked)})
        if self.wishes.text_answer:
            answer.headers["content-type"] = "text/plain"
        return answer

    def _proof(self, request: Request, form: Mapping[str, Any]) -> str:
        """How the secret came: "basic" as it is, "encoded", "post", or ""."""
        said = request.headers.get("authorization", "")
        if said == _basic(CLIENT, self._secret):
            return "basic"
        if said == _basic(quote_plus(CLIENT), quote_plus(self._secret)):
            return "encoded"
        return "post" if form.get("client_secret") == self._secret else ""

    def _id_token(self, asked: Claims) -> str:
        wishes, moment = self.wishes, int(time.time())
        audience = "somebody-else" if wishes.wrong_audience else CLIENT
        said = self.people[asked["name"]] | {
            "iss": "http://evil.test" if wishes.wrong_issuer else self.url,
            "aud": [audience] if wishes.aud_is_list else audience,
            "iat": moment,
            "exp": moment + 300,
            "nonce": "another" if wishes.wrong_nonce else asked["nonce"],
        }
        if wishes.no_organisations_in_token:
            said.pop("orgs", None)
        said = {k: v for k, v in (said | wishes.in_token).items() if v is not None}
        head = {"alg": self._alg} | ({} if wishes.no_kid else {"kid": "one"})
        if self._alg == "HS256":
            return jwt.encode(head, said, OctKey.import_key(self._secret))
        key = self._other_key if wishes.wrong_key or wishes.new_keys else self._key
        return jwt.encode(head, said, key)

    async def _userinfo(self, request: Request) -> Response:
        name = self._tokens.get(request.headers.get("authorization", "")[7:])
        return JSONResponse(self.people[name]) if name else Response("", 401)


@dataclass
class _GitHubUser:
    id: int
    login: str
    email: str
    verified: bool = True


class FakeGitHub(Served):
    """GitHub's OAuth and the two addresses of its API that are asked."""

    def __init__(self, **verified: bool) -> None:
        self.people = {
            name: _GitHubUser(number, name, f"{name}@example.org", good)
            for number, (name, good) in enumerate(verified.items(), 1)
        }
        self._codes: dict[str, Claims] = {}
        self._tokens: dict[str, str] = {}
        super().__init__(
            Starlette(
                routes=[
                    Route("/login/oauth/authorize", self._authorize),
                    Route("/login/oauth/access_token", self._token, methods=["POST"]),
                    Route("/user", self._user),
                    Route("/user/emails", self._emails),
                ]
            )
        )

    def provider(self) -> Provider:
        """How the program is told of it."""
        return github(CLIENT, SECRET, login=f"{self.url}/login/oauth", api=f"{self.url}/")

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        name = asked.pop("as", None)
        if name is None:
            return HTMLResponse("<h1>GitHub?</h1>" + _links(asked, self.people))
        code = secrets.token_urlsafe(16)
        self._codes[code] = {**asked, "name": name}
        answer = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{answer}", 302)

    async def _token(self, request: Request) -> Response:
        form = dict(await request.form())
        asked = self._codes.pop(str(form.get("code")), None)
        if asked is None or not _proven(request, form, asked):
            return JSONResponse({"error": "bad_verification_code"})  # 200, as GitHub does
        access = secrets.token_urlsafe(16)
        self._tokens[access] = asked["name"]
        return JSONResponse({"access_token": access, "token_type": "bearer", "scope": ""})

    def _of(self, request: Request) -> _GitHubUser:
        return self.people[self._tokens[request.headers["authorization"].split(" ")[1]]]

    async def _user(self, request: Request) -> Response:
        one = self._of(request)
        return JSONResponse({"id": one.id, "login": one.login, "name": None, "email": None})

    async def _emails(self, request: Request) -> Response:
        one = self._of(request)
        return JSONResponse([{"email": one.email, "primary": True, "verified": one.verified}])


def _proven(request: Request, form: Mapping[str, Any], asked: Claims) -> bool:
    """Client secret, redirect address and PKCE fit to what was asked for."""
    return request.headers.get("authorization") == _basic(CLIENT, SECRET) and _fits(form, asked)


def _fits(form: Mapping[str, Any], asked: Claims) -> bool:
    """Redirect address and PKCE are those of the beginning."""
    digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return (
        form.get("redirect_uri") == asked["redirect_uri"] and challenge == asked["code_challenge"]
    )


def _basic(name: str, secret: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{secret}'.encode()).decode()}"


def _links(asked: Claims, people: Mapping[str, object]) -> str:
    return "".join(
        f'<p><a id="as-{name}" href="?{html.escape(urlencode({**asked, "as": name}))}">'
        f"Continue as {name}</a></p>"
        for name in people
    )


# -- signing in ----------------------------------------------------------------------------


def begun(client: httpx.Client, provider: str = "hf", after: str = "/") -> str:
    """Begin to sign in; the address at the provider the browser is sent to."""
    answer = client.get(f"/login/{provider}", params={"next": after})
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def answered(provider_address: str, name: str) -> str:
    """Say at the provider who one is; path and query the browser is sent back to."""
    where = f"{provider_address}&{urlencode({'as': name})}"
    answer = httpx.get(where, trust_env=False, verify=False)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["location"])
    return f"{back.path}?{back.query}"


def sign_in(client: httpx.Client, name: str, provider: str = "hf", after: str = "/") -> None:
    """The whole way, as a browser goes it; `client` has the session cookie afterwards."""
    done = client.get(answered(begun(client, provider, after), name))
    assert done.status_code == 303, done.text


def signed_in(url: str, name: str, provider: str = "hf") -> httpx.Client:
    """A client in which this person is signed in."""
    client = httpx.Client(base_url=url, trust_env=False, timeout=30)
    sign_in(client, name, provider)
    return client


def sign_in_browser(context: BrowserContext, url: str, name: str, provider: str = "hf") -> None:
    """Sign a browser in by clicking through; its other pages share the session."""
    page = context.new_page()
    page.goto(f"{url}/login/{provider}")
    page.locator(f"#as-{name}").click()
    page.wait_for_url(f"{url}/**")
    page.close()


def state_of(provider_address: str) -> str:
    """The state in an address at the provider."""
    return parse_qs(urlsplit(provider_address).query)["state"][0]
