"""One sign-in provider as Authlib's client, taking what the issuer offers.

Signatures by a public key or by the client secret (HS256); the secret in the head as RFC 6749 asks
for it, as many expect it, or in the body. Imported with the first sign-in only, as Authlib is.
Surprise: what an issuer tells of itself is asked for again after an hour, its keys also when a
signature does not fit: both change while we run.
"""

from __future__ import annotations

import base64
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote_plus

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, OctKey
from joserfc.jws import JWSRegistry, extract_compact

with warnings.catch_warnings(record=True):  # it praises httpx2, which nobody here can choose
    from authlib.integrations.starlette_client import OAuth, OAuthError, StarletteOAuth2App
    from authlib.oidc.core import CodeIDToken

_KEPT_SECONDS = 3600.0
_POST, _BASIC = "client_secret_post", "client_secret_basic"
_BY_SECRET = ("HS256", "HS384", "HS512")
_BY_KEY = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"),
)
_Way = str | Callable[[Any, str, str, dict[str, str], Any], tuple[str, dict[str, str], Any]]


class NotOffered(Exception):
    """The issuer and we have no way in common; the text says which it offers."""


class IssuerApp(StarletteOAuth2App):
    """Authlib's client, where issuers differ."""

    async def load_server_metadata(self) -> dict[str, Any]:
        """What the issuer tells of itself, at most an hour old."""
        if time.time() - self.server_metadata.get("_loaded_at", 0) > _KEPT_SECONDS:
            self.server_metadata.pop("_loaded_at", None)
            self.server_metadata.pop("jwks", None)
        told: dict[str, Any] = await super().load_server_metadata()
        return told

    async def fetch_access_token(self, redirect_uri: str | None = None, **given: Any) -> Any:
        """The token for a code. A way that is refused as such leads to the next one."""
        metadata = await self.load_server_metadata()
        url = self.access_token_url or metadata.get("token_endpoint")
        ways = ways_to_prove(self.client_id, self.client_secret, metadata)
        for way in ways:
            async with self._get_oauth_client(**metadata) as session:  # type: ignore[attr-defined]
                session.token_endpoint_auth_method = way
                session.redirect_uri = redirect_uri
                try:
                    return await session.fetch_token(url, **given)
                except OAuthError as error:
                    if error.error != "invalid_client" or way is ways[-1]:
                        raise
        raise NotOffered("no way to prove who we are")  # there is always one

    async def parse_id_token(
        self,
        token: Any,
        nonce: Any,
        claims_options: Any = None,  # noqa: ARG002 - Authlib's; ours are below
        claims_cls: Any = CodeIDToken,
        leeway: int = 120,
    ) -> Any:
        """The claims of an ID token whose signature and contents are good."""
        metadata = await self.load_server_metadata()
        alg = str(extract_compact(token["id_token"].encode()).headers().get("alg"))
        offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        usable = [name for name in offered if name in (*_BY_KEY, *_BY_SECRET)]
        if alg not in usable:
            raise NotOffered(f"the ID token is signed by {alg}, the issuer offers {offered}")
        read = await self._decoded(token["id_token"], alg)
        claims = (claims_cls or CodeIDToken)(
            read.claims,
            read.header,
            {"iss": {"values": [metadata["issuer"]]}, "aud": {"values": [self.client_id]}},
            {"nonce": nonce, "client_id": self.client_id, "access_token": token["access_token"]},
        )
        claims.validate(leeway=leeway)
        return claims

    async def _decoded(self, text: str, alg: str) -> Any:
        registry = JWSRegistry(algorithms=[alg], strict_check_header=False)
        if alg in _BY_SECRET:
            with warnings.catch_warnings(record=True):  # a short one: the issuer's choice, not ours
                return jwt.decode(text, OctKey.import_key(self.client_secret), registry=registry)
        kid = extract_compact(text.encode()).headers().get("kid")
        last: Exception = NotOffered("the issuer has no key for its ID token")
        for force in (False, True):  # they may have changed their keys
            for key in _keys(await self.fetch_jwk_set(force=force), kid):
                try:
                    return jwt.decode(text, key, registry=registry)
                except (JoseError, ValueError, TypeError) as error:  # of another kind, or not it
                    last = error
        raise last


class Clients(OAuth):
    """Authlib's registry, with our client in it."""

    oauth2_client_cls = IssuerApp


def ways_to_prove(client_id: str, secret: str, metadata: dict[str, Any]) -> Sequence[_Way]:
    """How we may prove who we are to the token endpoint, the surest first.

    Raises:
        NotOffered: the issuer takes nothing that we have.
    """
    offered = metadata.get("token_endpoint_auth_methods_supported")
    basic = [_encoded_basic]
    odd = any(quote_plus(word) != word for word in (client_id, secret))
    as_it_is: list[_Way] = [_BASIC] if odd and _is_latin(client_id + secret) else []
    if not isinstance(offered, list) or not offered:
        return [*basic, *as_it_is, _POST]
    post = [_POST] if _POST in offered else []
    head = [*basic, *as_it_is] if _BASIC in offered else []
    ways: list[_Way] = [*post, *head] if odd else [*head, *post]  # odd signs: the body is clear
    if not ways:
        raise NotOffered(
            f"the issuer takes {offered} at its token endpoint; we have a client secret "
            f"({_BASIC}, {_POST})"
        )
    return ways


def _encoded_basic(
    client: Any, _method: str, uri: str, headers: dict[str, str], body: Any
) -> tuple[str, dict[str, str], Any]:
    """RFC 6749, 2.3.1: both are form-encoded before they are joined."""
    both = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    headers["Authorization"] = f"Basic {base64.b64encode(both.encode()).decode()}"
    return uri, headers, body


def _is_latin(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _keys(jwks: Any, kid: object) -> list[Any]:
    """The keys that may have signed; one of a kind we cannot read must not spoil the others."""
    found = []
    for each in jwks.get("keys") or []:
        fits = isinstance(each, dict) and each.get("use", "sig") == "sig"
        if fits and (kid is None or each.get("kid", kid) == kid):
            with suppress(JoseError, ValueError, KeyError, TypeError):
                found.append(JWKRegistry.import_key(each))
    return found
