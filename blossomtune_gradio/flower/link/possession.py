"""Whether somebody who hands a public key in has its private half.

Without that, one could hand in the public key of somebody else first, and as Flower never takes a
key twice, lock its owner out. `join.py` signs its one-time token; a person signs a word that is
theirs with `ssh-keygen -Y sign` and pastes what it prints, which holds the key as well. Pure.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.flower.link.site_keys import SiteKey, parse_public_key

NAMESPACE = "blossomtune"
_TOKEN = b"blossomtune join\n"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_LONGEST = 8192  # characters; a real one has below 1000
_HASHES: dict[bytes, type[Any]] = {
    b"nistp256": hashes.SHA256,
    b"nistp384": hashes.SHA384,
    b"nistp521": hashes.SHA512,
}
_DAMAGED = "This signature is damaged, perhaps cut off. Paste all that the command printed."


def signed_token(token: str) -> bytes:
    """What the owner of a key signs (ECDSA, SHA-256) who hands it in with this token."""
    return _TOKEN + token.encode()


def proves(key: SiteKey, token: str, proof: str) -> bool:
    """Whether `proof`, base64 of a DER signature, was made with this key for this token."""
    loaded = serialization.load_pem_public_key(key.pem)
    if not isinstance(loaded, ec.EllipticCurvePublicKey):
        return False
    try:
        signature = base64.b64decode(proof, validate=True)
        loaded.verify(signature, signed_token(token), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def is_signature(text: str) -> bool:
    """Whether somebody pasted what `ssh-keygen -Y sign` prints."""
    return _BEGIN in text


def prove_command(word: str) -> str:
    """What the owner of `site.key` types to show that it is theirs."""
    return f"echo {word} | ssh-keygen -Y sign -n {NAMESPACE} -f site.key"


def key_of_signature(text: str, word: str) -> SiteKey:
    """The key that signed this word and a line break. Raises InvalidInput."""
    parts = _Parts(_blob(text))
    parts.magic(b"SSHSIG\x00\x00\x00\x01")
    blob, namespace, reserved = parts.text(), parts.text(), parts.text()
    hashed, signature = parts.text(), _Parts(parts.text())
    kind = _Parts(blob).text()
    key = parse_public_key(f"{kind.decode(errors='replace')} {base64.b64encode(blob).decode()}")
    if namespace != NAMESPACE.encode() or hashed not in (b"sha256", b"sha512"):
        raise InvalidInput(f"This was signed for something else. Type: {prove_command(word)}")
    if signature.text() != kind:
        raise InvalidInput(_DAMAGED)
    numbers = _Parts(signature.text())
    pair = encode_dss_signature(numbers.number(), numbers.number())
    digest = hashlib.new(hashed.decode(), f"{word}\n".encode()).digest()
    message = b"SSHSIG" + b"".join(map(_packed, (namespace, reserved, hashed, digest)))
    loaded: Any = serialization.load_pem_public_key(key.pem)  # an elliptic curve's: parsed above
    curve = _HASHES[kind.rsplit(b"-", 1)[1]]
    try:
        loaded.verify(pair, message, ec.ECDSA(curve()))
    except InvalidSignature:
        raise InvalidInput(
            f"This is the signature of another word. Type: {prove_command(word)}"
        ) from None
    return key


def _blob(text: str) -> bytes:
    inner = text.partition(_BEGIN)[2].partition(_END)
    if not inner[1] or len(text) > _LONGEST:
        raise InvalidInput(_DAMAGED)
    try:
        return base64.b64decode("".join(inner[0].split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(_DAMAGED) from None


def _packed(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


class _Parts:
    """The fields of an SSH structure, one after the other. Raises InvalidInput."""

    def __init__(self, data: bytes) -> None:
        self._rest = data

    def magic(self, expected: bytes) -> None:
        if not self._rest.startswith(expected):
            raise InvalidInput(_DAMAGED)
        self._rest = self._rest[len(expected) :]

    def text(self) -> bytes:
        length = int.from_bytes(self._rest[:4], "big")
        value, self._rest = self._rest[4 : 4 + length], self._rest[4 + length :]
        if len(value) != length:
            raise InvalidInput(_DAMAGED)
        return value

    def number(self) -> int:
        return int.from_bytes(self.text(), "big")
