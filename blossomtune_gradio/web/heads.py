"""The head of a request: what two readers could read in two ways is refused. Pure."""

from __future__ import annotations

import re

_ONCE = frozenset(
    b"host content-length transfer-encoding content-type origin sec-fetch-site authorization"
    b" flwr-public-key flwr-signature flwr-timestamp".split()
)


_HOST = re.compile(
    rb"([A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?"
)


_TARGET = re.compile(rb"/[\x21\x22\x24-\x7e]*")  # no fragment, no other host, nothing beyond ASCII


class Refused(Exception):
    """The request is not read any further."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


def check_head(target: bytes, headers: list[tuple[bytes, bytes]], version: str) -> None:
    """Raises Refused for a head that can be read in two ways."""
    if not _TARGET.fullmatch(target):
        raise Refused(400, "The address in the request line must be a path on this server.")
    seen: set[bytes] = set()
    for name, value in headers:
        if name in _ONCE:
            if name in seen:
                raise Refused(400, f"The header {name.decode()} may be there only once.")
            seen.add(name)
        if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise Refused(400, "The only Transfer-Encoding spoken here is chunked.")
        if name == b"host" and not is_host(value):
            raise Refused(400, "The Host header is not a name and a port.")
    if b"host" not in seen and version != "1.0":
        raise Refused(400, "The Host header is missing.")
    if b"content-length" in seen and b"transfer-encoding" in seen:
        raise Refused(400, "A request has a Content-Length or a Transfer-Encoding, not both.")


def is_host(value: bytes) -> bool:
    """Whether it is a name or address, with or without a port, and nothing else."""
    found = _HOST.fullmatch(value)
    return found is not None and (found[2] is None or 0 < int(found[2]) <= 65535)
