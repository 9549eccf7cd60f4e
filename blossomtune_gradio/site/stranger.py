"""Who stands there instead of the server: words for a certificate that nobody vouches for.

Looks a second time without checking anything and sends nothing. What the certificate says of itself
is a stranger's text, so it is cut and only printable.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from . import trust
from .kit import Site
from .words import Fault

Look = Callable[[ssl.SSLContext], bytes]
"""Opens a connection with this context; the certificate (DER) that is shown. Raises OSError."""

SET_CLOCK = "set this machine's clock (timedatectl set-ntp true), or its time zone."
_WRONG_TIME = (9, 10)  # OpenSSL: not yet valid, expired
_OF_THE_SYSTEM = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


def distrusted(site: Site, where: str, error: ssl.SSLCertVerificationError, look: Look) -> Fault:
    """What is wrong with the certificate at `where` (host:port), and whose matter that is."""
    if error.verify_code in _WRONG_TIME:
        now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        return Fault(
            f"By this machine's clock ({now}) the server's certificate is not valid "
            f"({error.verify_message}).",
            f"{SET_CLOCK} If it is right, the admin has to renew the certificate.",
        )
    der = _shown(look)
    seen = "sha256:" + hashlib.sha256(der).digest().hex(":").upper() if der else "(not shown)"
    if "mismatch" in error.verify_message:
        name = where.rpartition(":")[0]
        return Fault(
            f"The server's certificate (fingerprint {seen}) is not made for the name "
            f"{name} ({error.verify_message}).",
            "use the address the admin gave you; they set it with "
            + ("BLOSSOMTUNE_FLEET_PUBLIC_HOST." if site.has_own_ca else "BLOSSOMTUNE_PUBLIC_URL."),
        )
    issuer = _issuer(der)
    return Fault(
        f"{where} answers with a certificate that {trust.voucher(site)} does not vouch for "
        f"({error.verify_message}), so it may be somebody in between. {issuer}Its fingerprint is "
        f"{seen}; your token was not sent.",
        _advice(site, look),
    )


def _advice(site: Site, look: Look) -> str:
    if site.has_own_ca:
        return (
            "ask the admin whether this is theirs. If a firewall of yours opens TLS, have it leave "
            "this address alone; if the server was set up anew, get a new kit."
        )
    if _shown(look, ssl.create_default_context):  # as browsers here do
        store = next((name for name in _OF_THE_SYSTEM if Path(name).is_file()), "FILE")
        return (
            "a firewall of yours opens TLS: have it leave this address alone. If it may read "
            f"along, let Flower trust what this machine trusts: export SSL_CERT_FILE={store}"
        )
    return (
        "ask the admin whether this is theirs. A certificate that they made themselves needs "
        "BLOSSOMTUNE_SITES_CA at the server and then a new kit; if a firewall of yours opens TLS, "
        "have it leave this address alone."
    )


def _shown(look: Look, make: Callable[[], ssl.SSLContext] | None = None) -> bytes:
    """The certificate as DER; b"" when the connection fails, as it does without trust."""
    try:
        return look(make() if make else _blind())
    except OSError:
        return b""


def _blind() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _issuer(der: bytes) -> str:
    try:
        from cryptography import x509

        name = x509.load_der_x509_certificate(der).issuer.rfc4514_string()
    except (ImportError, ValueError):  # it comes with flwr
        return ""
    return f"It was issued by {''.join(c for c in name if c.isprintable())[:120]}. "
