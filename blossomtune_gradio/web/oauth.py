"""What is said to the sign-in providers: OpenID Connect and GitHub's OAuth, with PKCE, by Authlib.

`begin` gives the address to send the browser to, `finish` who came back. Nothing is kept here: what
must be remembered in between goes into the caller's dictionary. Surprise: Authlib is imported with
the first sign-in, so local mode never pays for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import httpx
from starlette.requests import Request

from blossomtune_gradio.errors import BlossomError
from blossomtune_gradio.names import LONGEST_SUB, is_sub
from blossomtune_gradio.providers import Provider
from blossomtune_gradio.services.people.pins import Person

_SECONDS = 10  # a provider has for one answer


class SignInFailed(BlossomError):
    """The provider could not be asked, or its answer cannot be trusted."""

    status = 400


class ProviderDown(SignInFailed):
    """The provider does not answer as it should; trying again later may help."""

    status = 502


class OAuthClients:
    """One client per provider, made when it is first used."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._clients: dict[str, Any] = {}

    async def begin(self, name: str, redirect_uri: str, kept: dict[str, Any]) -> str:
        """The provider's page for this sign-in; fills `kept`.

        Raises:
            SignInFailed: the provider does not answer.
        """
        client = self._client(name)
        asked: Any = SimpleNamespace(session=kept)
        with _told(self._providers[name]):
            answer = await client.authorize_redirect(asked, redirect_uri)
        return str(answer.headers["location"])

    async def finish(self, name: str, request: Request, kept: dict[str, Any]) -> Person:
        """Who the provider says has come back with `request`.

        Raises:
            SignInFailed: refused, forged, too late, or the provider does not answer.
        """
        provider, client = self._providers[name], self._client(name)
        asked: Any = SimpleNamespace(
            session=kept, scope=request.scope, query_params=request.query_params
        )
        with _told(provider):
            token = await client.authorize_access_token(asked)
            if provider.kind == "github":
                return await _from_github(provider, client, token)
            return await _from_oidc(provider, client, token)

    def _client(self, name: str) -> Any:
        if name not in self._clients:
            self._clients[name] = _registered(self._providers[name])
        return self._clients[name]


class _told:  # noqa: N801 - reads like a sentence in `with`
    """Turns whatever Authlib, httpx or joserfc raise into one sentence of ours."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, BlossomError):
            raise _sentence(self._provider, error) from error


def _sentence(provider: Provider, error: Exception) -> SignInFailed:
    label, reason = provider.label, getattr(error, "error", "")
    if reason == "access_denied":
        return SignInFailed(f"{label} was not allowed to tell who you are. Try again and agree.")
    if reason == "mismatching_state":
        return SignInFailed(
            "This sign-in was begun in another tab or window, or more than ten minutes ago. "
            "Begin it once more."
        )
    if isinstance(error, httpx.HTTPError | KeyError | ValueError | RuntimeError) and not reason:
        return ProviderDown(
            f"{label} does not answer as it should. Try again in a few minutes; if it stays so, "
            "tell the operator of this page."
        )
    return SignInFailed(
        f"The answer of {label} does not fit to this sign-in, so it was not believed. Begin it "
        "once more; if it stays so, tell the operator of this page."
    )


def _registered(provider: Provider) -> Any:
    with warnings.catch_warnings(record=True):  # it praises httpx2, which nobody here can choose
        from authlib.integrations.starlette_client import OAuth

    common: dict[str, Any] = {
        "name": provider.name,
        "client_id": provider.client_id,
        "client_secret": provider.client_secret,
        "client_kwargs": {
            "scope": provider.scopes,
            "code_challenge_method": "S256",
            "timeout": _SECONDS,
        },
    }
    if provider.kind == "github":
        return OAuth().register(
            authorize_url=provider.authorize_url,
            access_token_url=provider.token_url,
            api_base_url=provider.api_url,
            **common,
        )
    known = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
    return OAuth().register(server_metadata_url=known, **common)


async def _from_oidc(provider: Provider, client: Any, token: dict[str, Any]) -> Person:
    claims = token.get("userinfo")
    if not claims:
        raise SignInFailed(f"{provider.label} sent no ID token. Ask its operator for 'openid'.")
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
    """The number of an account, as text. Raises SignInFailed: it could be anybody's."""
    number = isinstance(told, int) and not isinstance(told, bool)
    sub = str(told) if number or isinstance(told, str) else ""
    if not is_sub(sub):
        raise SignInFailed(
            f"{provider.label} sent an account number that OpenID Connect does not allow. Tell its "
            f"operator that 'sub' has 1 to {LONGEST_SUB} ASCII characters."
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
