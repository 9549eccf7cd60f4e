"""What a Hugging Face Space puts around the program: its variables, and `TlsDoor` before it.

The browser is told that the Space's host name is this machine, so it goes to the real address, and
nothing in the program knows that it is a test.
"""

from __future__ import annotations

from pathlib import Path

from tests.oidc import CLIENT, SECRET, OidcProvider

SPACE = "alice-blossom.hf.space"


def space_variables(folder: Path, issuer: OidcProvider, **more: str) -> dict[str, str]:
    """Exactly what a Space injects, and what its owner sets."""
    return {
        "SYSTEM": "spaces",
        "SPACE_ID": "alice/blossom",
        "SPACE_HOST": SPACE,
        "OAUTH_CLIENT_ID": CLIENT,
        "OAUTH_CLIENT_SECRET": SECRET,
        "OAUTH_SCOPES": "openid profile email",
        "OPENID_PROVIDER_URL": issuer.url,
        "BLOSSOMTUNE_DATA_DIR": str(folder / "server"),
        "BLOSSOMTUNE_PORT": "0",
        "BLOSSOMTUNE_FLEET_PORT": "0",
    } | more
