"""Why a sign-in did not come about: a sentence for the person, a reason for the operator."""

from __future__ import annotations

from contextlib import suppress

import httpx

from blossomtune_gradio.errors import BlossomError
from blossomtune_gradio.providers import Provider

TOTAL_SECONDS = 30.0  # a provider has for all of one step


class SignInRefused(BlossomError):
    """A sign-in does not go on. There is none without both: words for the person, and the reason
    for the operator, who finds it in the log."""

    status = 400

    def __init__(self, sentence: str, *, reason: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.reason, self.status = reason, status


class told_as_ours:  # noqa: N801 - reads like a sentence in `with`
    """Turns whatever Authlib, httpx or joserfc raise into one sentence of ours, with the reason."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, BlossomError):
            raise _refusal(self._provider, error) from error


def _refusal(provider: Provider, error: Exception) -> SignInRefused:
    label, said = provider.label, getattr(error, "error", "")
    reason = reason_of(provider, error)
    if said == "access_denied":
        return SignInRefused(
            f"{label} was not allowed to tell who you are. Try again and agree.", reason=reason
        )
    if said == "mismatching_state":
        return SignInRefused(
            "This sign-in was begun in another tab or window, or more than ten minutes ago. "
            "Begin it once more.",
            reason=reason,
        )
    down = isinstance(error, httpx.HTTPError | OSError | KeyError | ValueError | RuntimeError)
    if down and not said:
        return SignInRefused(
            f"{label} does not answer as it should. Try again in a few minutes; if it stays so, "
            "tell the operator of this page.",
            reason=reason,
            status=502,
        )
    return SignInRefused(
        f"The answer of {label} does not fit to this sign-in, so it was not believed. Begin it "
        "once more; if it stays so, tell the operator of this page.",
        reason=reason,
    )


def reason_of(provider: Provider, error: BaseException) -> str:
    """What happened, for the operator: the error, what lies behind it, and what may help."""
    parts: list[str] = []
    at, seen = error, 0
    while seen < 4:
        text = f"{type(at).__name__}: {at}".removesuffix(": ")
        parts += [text] if not parts or str(at) not in parts[-1] else []
        deeper = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
        if deeper is None:
            break
        at, seen = deeper, seen + 1
    said = " < ".join(parts)
    if isinstance(error, TimeoutError) and not str(error):
        said = f"no complete answer within {TOTAL_SECONDS:g} s"
    with suppress(AttributeError, RuntimeError):  # it was no request that failed
        asked = error.request  # type: ignore[attr-defined]
        said += f" [{asked.method} {asked.url.copy_with(query=None)}]"
    if "CERTIFICATE_VERIFY_FAILED" in said and provider.kind == "oidc":
        variable = provider.name.upper().replace("-", "_")
        said += f"; name the authority's file in BLOSSOMTUNE_OIDC_{variable}_CA"
    for secret in filter(None, (provider.client_secret,)):
        said = said.replace(secret, "(secret)")
    return said
