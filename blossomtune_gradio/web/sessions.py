"""The two cookies of the page: whose session this browser has, and the sign-in under way in it.

Both are signed with a random key that stays in the data directory. The first holds a random id and
nothing else, the second what the provider's answer must fit to, for ten minutes. Surprise: on https
their names begin with `__Host-`, so that no neighbouring host name can plant one here.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any, Literal

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from blossomtune_gradio.errors import SettingsError

_LOGIN_SECONDS = 600
_KEY_BYTES = 32


class Cookies:
    """Writes, reads and clears them."""

    def __init__(self, key_file: Path, *, https: bool, hours: float) -> None:
        """Raises SettingsError when the key can neither be read nor made."""
        key = _key(key_file)
        self._session = URLSafeTimedSerializer(key, salt="session")
        self._login = URLSafeTimedSerializer(key, salt="login")
        self._prefix = "__Host-" if https else ""
        self._https, self._seconds = https, int(hours * 3600)

    @property
    def session_name(self) -> str:
        """Name of the cookie with the session id."""
        return f"{self._prefix}blossomtune"

    @property
    def login_name(self) -> str:
        """Name of the cookie of a sign-in under way."""
        return f"{self._prefix}blossomtune-login"

    def session_id(self, request: Request) -> str:
        """The session id the browser sent, "" when there is none, it is forged or too old."""
        said = _read(self._session, request.cookies.get(self.session_name), self._seconds)
        return said if isinstance(said, str) else ""

    def keep_session(self, response: Response, session_id: str) -> None:
        """Give the browser its session."""
        self._set(response, self.session_name, self._session.dumps(session_id), self._seconds)

    def end_session(self, response: Response) -> None:
        """Take it back."""
        self._set(response, self.session_name, "", 0)

    def login(self, request: Request) -> dict[str, Any]:
        """What was kept when the sign-in began; {} when nothing, forged or too old."""
        said = _read(self._login, request.cookies.get(self.login_name), _LOGIN_SECONDS)
        return said if isinstance(said, dict) else {}

    def keep_login(self, response: Response, data: dict[str, Any]) -> None:
        """Remember a sign-in that begins."""
        self._set(response, self.login_name, self._login.dumps(data), _LOGIN_SECONDS)

    def end_login(self, response: Response) -> None:
        """Forget it: it has been used or has failed."""
        self._set(response, self.login_name, "", 0)

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        lax: Literal["lax"] = "lax"
        response.set_cookie(
            name, value, seconds, path="/", secure=self._https, httponly=True, samesite=lax
        )


def _read(serializer: URLSafeTimedSerializer, text: str | None, seconds: int) -> object:
    try:
        return serializer.loads(text, max_age=seconds) if text else None
    except BadData:
        return None


def _key(file: Path) -> bytes:
    """The key in `file`; made, for its owner only, when there is none."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = file.read_bytes()
        if len(key) != _KEY_BYTES:
            raise SettingsError(f"{file} is damaged. Delete it; everybody signs in anew.") from None
        return key
    with os.fdopen(handle, "wb") as opened:
        opened.write(key := secrets.token_bytes(_KEY_BYTES))
    return key
