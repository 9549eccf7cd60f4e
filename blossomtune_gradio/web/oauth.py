"""What is said to the sign-in providers: OpenID Connect and GitHub's OAuth, with PKCE, by Authlib.

`begin` gives the address to send the browser to, `finish` who came back. Nothing is kept here: what
must be remembered in between goes into the caller's dictionary. Surprise: Authlib is imported with
the first sign-in, so local mode never pays for it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import httpx
from starlette.requests import Request

from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.names import LONGEST_SUB, is_sub
from blossomtune_gradio.providers import Provider
from blossomtune_gradio.services.people.pins import Person
from blossomtune_gradio.web.sign_in_refused import TOTAL_SECONDS, SignInRefused, told_as_ours

_SECONDS = 10  # a provider has for one answer


class OAuthClients:
    """One client per provider, made when it is first used."""

    def __init__(self, providers: Iterable[Provider], total_seconds: float = TOTAL_SECONDS) -> None:
        """Raises SettingsError: a file of certificates cannot be read."""
        self._providers = {provider.name: provider for provider in providers}
        self._total = total_seconds
        self._trust = {name: _trust(one) for name, one in self._providers.items() if one.ca}
        self._clients: dict[str, Any] = {}

    async def begin(self, name: str, redirect_uri: str, kept: dict[str, Any]) -> str:
        """The provider's page for this sign-in; fills `kept`.

        Raises:
            SignInRefused: the provider does not answer, or there is none of that name.
        """
        provider, client = self._known(name)
        asked: Any = SimpleNamespace(session=kept)
        with told_as_ours(provider):
            async with asyncio.timeout(self._total):
                answer = await client.authorize_redirect(asked, redirect_uri)
        return str(answer.headers["location"])

    async def finish(self, name: str, request: Request, kept: dict[str, Any]) -> Person:
        """Who the provider says has come back with `request`.

        Raises:
            SignInRefused: refused, forged, too late, or the provider does not answer.
        """
        provider, client = self._known(name)
        asked: Any = SimpleNamespace(
            session=kept, scope=request.scope, query_params=request.query_params
        )
        with told_as_ours(provider):
            async with asyncio.timeout(self._total):
                if provider.kind == "oidc":
                    await _require_same_issuer(provider, client, request)
                token = await client.authorize_access_token(asked)
                if provider.kind == "github":
                    return await _from_github(provider, client, token)
                return await _from_oidc(provider, client, token)

    def _known(self, name: str) -> tuple[Provider, Any]:
        provider = self._providers.get(name)
        if provider is None:
            raise SignInRefused(
                "There is no such way to sign in here. Choose one from the list.",
                reason=f"no provider is called {name}",
                status=404,
            )
        with told_as_ours(provider):
            if name not in self._clients:
                self._clients[name] = _registered(provider, self._trust.get(name))
        return provider, self._clients[name]


async def _require_same_issuer(provider: Provider, client: Any, request: Request) -> None:
    """RFC 9207: an answer that names its issuer must come from the one that was asked."""
    metadata = await client.load_server_metadata()
    metadata.setdefault("issuer", provider.issuer)
    told = request.query_params.get("iss")
    promised = metadata.get("authorization_response_iss_parameter_supported") is True
    if told == metadata["issuer"] or (told is None and not promised):
        return
    raise SignInRefused(
        f"This answer does not come from {provider.label}, so it was not believed. Begin the "
        "sign-in once more.",
        reason=f"iss of the answer is {told!r}, the issuer is {metadata['issuer']!r} (RFC 9207)",
    )


def _trust(provider: Provider) -> ssl.SSLContext:
    """The authorities everybody trusts, and the one of this provider."""
    context = httpx.create_ssl_context()
    try:
        context.load_verify_locations(provider.ca)
    except OSError as error:
        variable = provider.name.upper().replace("-", "_")
        raise SettingsError(
            f"BLOSSOMTUNE_OIDC_{variable}_CA is {provider.ca!r}, which is no file of certificates "
            f"(PEM) that can be read ({error.strerror or error}). Correct it and start again."
        ) from error
    return context


def _registered(provider: Provider, trust: ssl.SSLContext | None) -> Any:
    from blossomtune_gradio.web.issuer import Clients  # brings Authlib

    common: dict[str, Any] = {
        "name": provider.name,
        "client_id": provider.client_id,
        "client_secret": provider.client_secret,
        "client_kwargs": {
            "scope": provider.scopes,
            "code_challenge_method": "S256",
            "timeout": _SECONDS,
            **({"verify": trust} if trust else {}),
        },
    }
    if provider.kind == "github":
        return Clients().register(
            authorize_url=provider.authorize_url,
            access_token_url=provider.token_url,
            api_base_url=provider.api_url,
            **common,
        )
    known = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
    return Clients().register(server_metadata_url=known, **common)


async def _from_oidc(provider: Provider, client: Any, token: dict[str, Any]) -> Person:
    claims = token.get("userinfo")
    if not claims:
        raise SignInRefused(
            f"{provider.label} sent no ID token. Ask its operator for 'openid'.",
            reason=f"no ID token with a nonce came; the scopes asked for are {provider.scopes!r}",
        )
    if provider.name == "hf" and "orgs" not in claims:
        more = await client.userinfo(token=token)
        claims = {**more, **claims} if more.get("sub") == claims["sub"] else claims
    email = _text(claims, "email") if _is_verified(claims) else ""
    return Person(
        provider=provider.name,
        sub=_sub(provider, claims["sub"]),
        username=_exactly(claims, "preferred_username") or email,
        name=_text(claims, "name"),
        email=email,
        organisations=_organisations(claims.get("orgs")) if provider.name == "hf" else (),
    )


async def _from_github(provider: Provider, client: Any, token: dict[str, Any]) -> Person:
    about = await _json(client, "user", token)
    emails = await _json(client, "user/emails", token)
    good = (e for e in emails if e.get("primary") and e.get("verified"))
    return Person(
        provider=provider.name,
        sub=_sub(provider, about["id"]),
        username=_exactly(about, "login"),
        name=_text(about, "name"),
        email=_text(next(good, {}), "email"),
    )


async def _json(client: Any, path: str, token: dict[str, Any]) -> Any:
    answer = await client.get(path, token=token)
    answer.raise_for_status()
    return answer.json()


def _organisations(claim: object) -> tuple[tuple[str, str], ...]:
    """(subject, name) of each; what is not of that form is left out."""
    found = claim if isinstance(claim, list) else []
    named = ((_exactly(o, "sub"), _exactly(o, "preferred_username")) for o in found)
    return tuple((sub, name) for sub, name in named if is_sub(sub) and name)


def _sub(provider: Provider, told: object) -> str:
    """The number of an account, as text. Raises SignInRefused: it could be anybody's."""
    number = isinstance(told, int) and not isinstance(told, bool)
    sub = str(told) if number or isinstance(told, str) else ""
    if not is_sub(sub):
        raise SignInRefused(
            f"{provider.label} sent an account number that OpenID Connect does not allow. Tell its "
            f"operator that 'sub' has 1 to {LONGEST_SUB} ASCII characters.",
            reason=f"sub is {str(told)[:100]!r} ({type(told).__name__})",
        )
    return sub


def _is_verified(claims: Any) -> bool:
    """Whether the provider vouches for the address; some write that as text."""
    told = claims.get("email_verified")
    return told is True or (isinstance(told, str) and told.lower() == "true")


def _exactly(claims: Any, name: str) -> str:
    """A claim, letter by letter: what a role hangs on. "" when it is no text."""
    value = claims.get(name) if hasattr(claims, "get") else None
    return value if isinstance(value, str) else ""


def _text(claims: Any, name: str) -> str:
    """A claim as one line of at most 200 characters, "" when it is no text. No role hangs on it."""
    value = claims.get(name) if hasattr(claims, "get") else None
    if not isinstance(value, str):
        return ""
    whole = value.encode("utf-8", "replace").decode()  # half a character cannot be stored
    return " ".join(whole.split())[:200]
