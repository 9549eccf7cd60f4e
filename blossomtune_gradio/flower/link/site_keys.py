"""Public keys of sites: what a person pastes, turned into what Flower registers.

Flower takes only elliptic curve keys of the NIST family, so every other kind is refused here, with
the command that makes a right one. A private key pasted by mistake is refused too, and never
repeated in the message.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from blossomtune_gradio.errors import InvalidInput

_KINDS = ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
_LONGEST = 4096  # characters; a real line has below 400
_HELP = (
    "Make one with: ssh-keygen -t ecdsa -b 384 -N '' -C '' -f site.key "
    "(the public half is in site.key.pub)."
)


@dataclass(frozen=True)
class SiteKey:
    """One site's public key in the three shapes that are needed."""

    pem: bytes
    """SubjectPublicKeyInfo, the form Flower registers and lists."""

    openssh: str
    """The line, without its comment."""

    fingerprint: str
    """`SHA256:…`, as `ssh-keygen -lf` prints it."""


def parse_public_key(text: str) -> SiteKey:
    """The key in an OpenSSH public key line. Raises InvalidInput that tells how to make one."""
    line = _one_line(text)
    kind = line.split(maxsplit=1)[0]
    if kind not in _KINDS:
        shown = kind if kind.isascii() and len(kind) <= 40 else "something else"
        raise InvalidInput(
            f"Flower needs an ECDSA public key (nistp256, nistp384 or nistp521), this is {shown}. "
            f"{_HELP}"
        )
    try:
        key = serialization.load_ssh_public_key(line.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(f"This public key is damaged, perhaps cut off. {_HELP}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise InvalidInput(f"This is not an ECDSA public key. {_HELP}")
    return site_key(key)


def site_key(key: ec.EllipticCurvePublicKey) -> SiteKey:
    """The three shapes of a key that is already loaded."""
    openssh = key.public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    ).decode()
    blob = base64.b64decode(openssh.split()[1])
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return SiteKey(pem=pem, openssh=openssh, fingerprint=f"SHA256:{digest}")


def _one_line(text: str) -> str:
    if "PRIVATE KEY" in text:
        raise InvalidInput(
            "This is a private key. It must stay on the site: delete it here, do not use it any "
            f"more. {_HELP}"
        )
    line = text.strip()
    if not line:
        raise InvalidInput(f"No public key was given. {_HELP}")
    if len(line) > _LONGEST:
        raise InvalidInput(f"This is too long for a public key ({len(line)} characters). {_HELP}")
    if len(line.splitlines()) > 1:
        raise InvalidInput(f"A public key is one line, this has several. {_HELP}")
    return line
