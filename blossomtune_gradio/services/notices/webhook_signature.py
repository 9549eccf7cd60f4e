"""How a message to a webhook is signed: as Standard Webhooks says, so receivers find a library.

`webhook-signature` is `v1,` and the HMAC-SHA256 (base64) of id, timestamp and body, joined by dots,
with the key that `whsec_` and its base64 stand for. Surprise: secrets from before that format have
no `whsec_`; their key is the text itself. The header of that time is sent beside it for now.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

from standardwebhooks import Webhook as Signer

_PREFIX = "whsec_"


def new_secret() -> str:
    """A secret for one receiver."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signed(secret: str, number: int, body: bytes, at: datetime) -> dict[str, str]:
    """The headers for a message of this number, sent `at` this moment."""
    key = secret if secret.startswith(_PREFIX) else secret.encode()
    name, stamp = f"msg_{number}", str(int(at.timestamp()))
    return {
        "webhook-id": name,
        "webhook-timestamp": stamp,
        "webhook-signature": Signer(key).sign(name, at, body.decode()),
        "X-BlossomTune-Timestamp": stamp,
        "X-BlossomTune-Signature": _as_before(secret, stamp, body),
    }


def _as_before(secret: str, stamp: str, body: bytes) -> str:
    signed_text = f"{stamp}.".encode() + body
    return "v1=" + hmac.new(secret.encode(), signed_text, hashlib.sha256).hexdigest()
