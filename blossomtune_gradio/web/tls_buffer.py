"""How much a TLS connection reads at once: little from strangers, more from those we know.

asyncio keeps a buffer for each, from its first byte on: 256 KiB, which a thousand that do not even
shake hands would make 256 MiB. Surprise: asyncio has no setting for it. Its size is an attribute of
the class, and is looked at again before each read, so one connection can be given more.
"""

from __future__ import annotations

import asyncio
from asyncio.sslproto import SSLProtocol

from blossomtune_gradio.web.limits import KIB

_STRANGERS, _KNOWN = 16 * KIB, 128 * KIB
SSLProtocol.max_size = _STRANGERS


def read_more(transport: asyncio.BaseTransport) -> None:
    """Models come over this connection; nothing happens where it speaks no TLS."""
    protocol = getattr(transport, "_ssl_protocol", None)
    if isinstance(protocol, SSLProtocol):
        protocol.max_size = _KNOWN  # type: ignore[misc]  # of this one only, on purpose
