"""Whose word is taken for the server's certificate: by us and by Flower alike.

A kit with a `ca_fingerprint` trusts its `ca.pem` and nothing else. A kit without one belongs to a
server with a public certificate. Surprise: flower-supernode 1.42 without --root-certificates says
"Using system certificates", but means those of httpx: the file in SSL_CERT_FILE, else the folder
in SSL_CERT_DIR, else the list in the package certifi, and never what the operating system trusts.
So that nothing passes a check of ours and then stops Flower, both contexts are built as Flower
builds them.
"""

from __future__ import annotations

import os
import ssl

from .kit import Site


def context(site: Site) -> ssl.SSLContext:
    """What a connection to the server is checked with.

    Raises OSError (ssl.SSLError is one) or ValueError when the certificates cannot be loaded.
    """
    if site.has_own_ca:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.load_verify_locations(cadata=site.ca.read_text(encoding="ascii"))
        return made
    try:
        from httpx import create_ssl_context
    except ImportError:  # it comes with flwr
        return ssl.create_default_context()
    return create_ssl_context()


def arguments(site: Site) -> list[str]:
    """What flower-supernode is told of it."""
    return ["--root-certificates", str(site.ca)] if site.has_own_ca else []


def voucher(site: Site) -> str:
    """Who vouches, in words: ca.pem, or where the public CAs come from."""
    if site.has_own_ca:
        return "ca.pem"
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if os.environ.get(variable):
            return f"{variable} ({os.environ[variable]})"
    return "the list of public CAs"
