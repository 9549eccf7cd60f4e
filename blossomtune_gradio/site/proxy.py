"""The way through a proxy: what its address says, and a tunnel asked for in one request."""

from __future__ import annotations

import base64
import socket
import urllib.parse

from .words import Problem


def address(url: str, default: int) -> tuple[str, int]:
    """Host and port of a URL. Raises Problem, without the password the URL may hold."""
    try:
        parts = urllib.parse.urlsplit(url)
        return parts.hostname or "", parts.port or default
    except ValueError as error:
        raise Problem(
            f"An address cannot be read ({error}).",
            "Correct join_url in site.toml, or HTTPS_PROXY.",
        ) from None


def shown(proxy: str) -> str:
    """Without the password it may hold."""
    return "{}:{}".format(*address(proxy, 80))


def connect(sock: socket.socket, target: str, proxy: str) -> tuple[int, str]:
    """Ask a proxy for a tunnel; (status, first line of its answer), 0 if it is no HTTP."""
    parts = urllib.parse.urlsplit(proxy)
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if parts.username:
        pair = (
            f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        )
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}")
    sock.sendall("\r\n".join([*lines, "", ""]).encode())
    head = b""
    while b"\r\n\r\n" not in head and len(head) < 65536:
        part = sock.recv(1)  # not one byte of what follows may be taken
        if not part:
            break
        head += part
    first = "".join(c for c in head.split(b"\r\n")[0].decode("latin-1") if c.isprintable())[:120]
    words = first.split()
    is_http = len(words) > 1 and words[0].startswith("HTTP/") and words[1].isdigit()
    return (int(words[1]) if is_http else 0), first
