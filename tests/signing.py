"""Signs requests as a SuperNode does, so that the gateway gives them the place of a key."""

from __future__ import annotations

import base64
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from flwr.common.constant import TIMESTAMP_HEADER
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.date import now
from flwr.supercore.primitives.asymmetric import (
    generate_key_pairs,
    public_key_to_bytes,
    sign_message,
)


class Signer:
    """One key."""

    def __init__(self, private: ec.EllipticCurvePrivateKey | None = None) -> None:
        self._private = private or generate_key_pairs()[0]
        pem = public_key_to_bytes(self._private.public_key())
        self.key = base64.b64encode(pem)
        """The public key as it stands in the header."""

    def headers(self, *, ago: float = 0) -> dict[str, str]:
        """The three headers; `ago` in seconds makes them old."""
        time = (now() - timedelta(seconds=ago)).isoformat()
        signature = base64.b64encode(sign_message(self._private, time.encode("ascii")))
        return {
            FLEET_HTTP_PUBLIC_KEY_HEADER: self.key.decode(),
            TIMESTAMP_HEADER: time,
            FLEET_HTTP_SIGNATURE_HEADER: signature.decode(),
        }
