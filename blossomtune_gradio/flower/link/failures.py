"""Why Flower said no, in words that help.

Flower answers a refused request with a number and a few words. The numbers that a person can do
something about get a sentence of ours; for the others Flower's own words are kept.
"""

from __future__ import annotations

from enum import IntEnum

from blossomtune_gradio.errors import FlowerError


class Code(IntEnum):
    """Flower's numbers that our code or our sentences tell apart."""

    FAILED_TO_CREATE_RUN = 14
    INVALID_RUN_CONFIG = 15
    RUN_NOT_FOUND = 16
    RUN_ALREADY_FINISHED = 18
    KEY_NOT_VALID = 22
    KEY_IN_USE = 23
    NODE_NOT_FOUND = 24
    VERSION_MISMATCH = 1001


class FlowerRefused(FlowerError):
    """Flower understood the request and said no. `code` is its number, 0 when it gave none."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(_SENTENCES.get(code) or _plain(code, words))
        self.code = code


_SENTENCES: dict[int, str] = {
    Code.INVALID_RUN_CONFIG: (
        "Flower does not accept the run configuration. Use only keys that stand under "
        "[tool.flwr.app.config] in the app's pyproject.toml."
    ),
    Code.RUN_NOT_FOUND: (
        "The SuperLink knows no such run. Its database may have been replaced since the run began."
    ),
    Code.RUN_ALREADY_FINISHED: "The run has already ended, so it cannot be stopped.",
    Code.KEY_NOT_VALID: (
        "Flower does not accept this public key. It must be an elliptic curve key, for example of: "
        "ssh-keygen -t ecdsa -b 384 -N '' -f site.key"
    ),
    Code.KEY_IN_USE: (
        "This public key is already known to the SuperLink. A key that was unregistered once can "
        "never come back: make a new key on the site and hand in that one."
    ),
    Code.NODE_NOT_FOUND: "The SuperLink knows no such site, or it was unregistered already.",
    Code.VERSION_MISMATCH: (
        "The SuperLink runs a Flower version that does not go with ours. Install flwr 1.42 in both "
        "places."
    ),
}


def _plain(code: int, words: str) -> str:
    said = words.strip().rstrip(".") or "no reason was given"
    number = f" (Flower code {code})" if code else ""
    return f"Flower refused: {said}{number}."
