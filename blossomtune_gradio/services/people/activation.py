"""Activation codes and one-time tokens: made, hashed, compared. Pure; it stores nothing.

A code is short because people type it, so it lives for minutes and allows few tries. A token is
long because programs carry it. Only hashes are ever stored.
"""

import hashlib
import hmac
import secrets
from datetime import timedelta

CODE_LIFETIME = timedelta(minutes=15)
CODE_TRIES = 5
RESEND_AFTER = timedelta(seconds=60)  # between two mails to one person
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that look alike
_CODE_LENGTH = 8


def new_code() -> str:
    """Eight letters and digits, 40 bits."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH))


def new_token() -> str:
    """256 random bits, safe in a file and in a URL."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is stored instead of a code or token."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(typed: str, stored: str) -> bool:
    """Compare a typed code with a stored digest in constant time; case and blanks are forgiven."""
    short = typed[:64].encode("ascii", "replace").decode()  # anybody can send anything
    cleaned = "".join(short.split()).replace("-", "").upper()
    return hmac.compare_digest(digest(cleaned), stored)
