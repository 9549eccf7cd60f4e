"""Whether a request of a SuperNode is signed with the key that it names, as Flower checks it.

What is signed is the moment, not the content; TLS keeps the two together. Who owns the key, and
whether it is registered, is not asked here. Pure but for the clock.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from flwr.common.constant import SYSTEM_TIME_TOLERANCE, TIMESTAMP_HEADER, TIMESTAMP_TOLERANCE
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.primitives.asymmetric import bytes_to_public_key, verify_signature

_KEY = FLEET_HTTP_PUBLIC_KEY_HEADER.lower().encode()
_SIGNATURE = FLEET_HTTP_SIGNATURE_HEADER.lower().encode()
_MOMENT = TIMESTAMP_HEADER.lower().encode()


def is_signed(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the signature is good and of now; `headers` by their names in small letters."""
    try:
        moment = headers[_MOMENT].decode("ascii")
        age = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
        key = bytes_to_public_key(base64.b64decode(headers[_KEY], validate=True))
        signature = base64.b64decode(headers[_SIGNATURE], validate=True)
    except (KeyError, ValueError, TypeError):
        return False
    if not -SYSTEM_TIME_TOLERANCE < age < TIMESTAMP_TOLERANCE + SYSTEM_TIME_TOLERANCE:
        return False
    return isinstance(key, EllipticCurvePublicKey) and verify_signature(
        key, moment.encode("ascii"), signature
    )
