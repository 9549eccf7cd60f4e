"""Who signed a request of a SuperNode: the check the SuperLink makes, before any work is done.

The signature covers the time and nothing else, so a good one says only that its key was at work a
moment ago. That is enough to give a request the place of its key; whether it may do what it asks
for, the SuperLink decides. Costs: half a millisecond for a key of 384 bits.
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.common.constant import SYSTEM_TIME_TOLERANCE, TIMESTAMP_HEADER, TIMESTAMP_TOLERANCE
from flwr.supercore.constant import FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.date import now
from flwr.supercore.primitives.asymmetric import bytes_to_public_key, verify_signature

from blossomtune_gradio.flower.link.replies import KEY_HEADER

_KEY = KEY_HEADER.encode()
_SIGNATURE, _TIME = FLEET_HTTP_SIGNATURE_HEADER.encode(), TIMESTAMP_HEADER.encode()
_REMEMBERED = 10_000  # keys that need not be read again


class Signatures:
    """Checks signatures. Used from one thread."""

    def __init__(self) -> None:
        self._keys: OrderedDict[bytes, ec.EllipticCurvePublicKey] = OrderedDict()

    def signer(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The public key, as it stands in its header, that signed these headers; b"" if none."""
        named = {name: value for name, value in headers if name in (_KEY, _SIGNATURE, _TIME)}
        if len(named) < 3:
            return b""
        key, signed, time = named[_KEY], named[_SIGNATURE], named[_TIME]
        try:
            signature = base64.b64decode(signed, validate=True)
            good = _is_fresh(time) and verify_signature(self._loaded(key), time, signature)
        except (ValueError, TypeError, UnsupportedAlgorithm):  # nothing that can be read
            return b""
        return key if good else b""

    def _loaded(self, key: bytes) -> ec.EllipticCurvePublicKey:
        found = self._keys.get(key)
        if found is None:
            found = bytes_to_public_key(base64.b64decode(key, validate=True))
            if not isinstance(found, ec.EllipticCurvePublicKey):
                raise ValueError("not a key Flower takes")
            self._keys[key] = found
            if len(self._keys) > _REMEMBERED:
                self._keys.popitem(last=False)
        return found


def _is_fresh(time: bytes) -> bool:
    """As the SuperLink sees it; raises ValueError or TypeError for what is no time with a zone."""
    age: float = (now() - datetime.fromisoformat(time.decode("ascii"))).total_seconds()
    return bool(-SYSTEM_TIME_TOLERANCE < age < TIMESTAMP_TOLERANCE + SYSTEM_TIME_TOLERANCE)
