"""The way to a running server: its address, a token, and answers as Python values.

Where neither `--url` and `--token` nor the variables `BLOSSOMTUNE_URL` and `BLOSSOMTUNE_TOKEN` say
it, the file `local-token` in the data directory does: the server writes it for its own user.
Surprise: with a problem+json answer the sentence of the server is the error that is shown.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import config
from blossomtune_gradio.cli.local import add_json
from blossomtune_gradio.errors import BlossomError, SettingsError

if TYPE_CHECKING:
    import httpx

_LOCAL_FILE = "local-token"
_SECONDS = 120.0  # starting a SuperLink takes a while


class ServerAnswered(BlossomError):
    """The server refused; `status` is its HTTP status."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class NoServer(BlossomError):
    """Nobody answers."""

    status = 503


@dataclass(frozen=True)
class Address:
    """Where the server is and what opens it."""

    url: str
    token: str


def add_server(command: argparse.ArgumentParser) -> None:
    """The options of every command that talks to a server."""
    command.add_argument("--url", help="address of the server (BLOSSOMTUNE_URL)")
    command.add_argument("--token", help="better: BLOSSOMTUNE_TOKEN, which nobody sees in `ps`")
    command.add_argument("--data-dir", type=Path, help="folder of a server on this machine (data)")
    add_json(command)


class Client:
    """One server. Use it as a context manager."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Raises SettingsError without address and token, or when no HTTP client can be made."""
        import httpx

        self.address = find(arguments)
        # On this machine no proxy may stand between; elsewhere the usual variables hold.
        local = self.address.url.startswith(("http://127.0.0.1", "http://localhost"))
        config.left_out()  # or a sentence about what stops every client
        self._http: httpx.Client = httpx.Client(
            base_url=f"{self.address.url}/api/v1",
            headers={"Authorization": f"Bearer {self.address.token}"},
            timeout=_SECONDS,
            trust_env=not local,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: object) -> Any:
        """The answer to a question; empty values of the query are left out."""
        params = {k: v for k, v in query.items() if v not in (None, "", False)}
        return self._ask("GET", path, params=params).json()

    def post(self, path: str, body: object = None, **headers: str) -> Any:
        """The answer to a wish."""
        return self._ask("POST", path, json=body, headers=headers).json()

    def change(self, method: str, path: str, body: object = None) -> Any:
        """The same with PUT, PATCH or DELETE."""
        return self._ask(method, path, json=body).json()

    def stream(self, path: str) -> Iterator[bytes]:
        """A file of any size, piece by piece."""
        import httpx

        try:
            with self._http.stream("GET", path) as answer:
                if not answer.is_success:
                    answer.read()
                    raise ServerAnswered(_sentence(answer), answer.status_code)
                yield from answer.iter_bytes()
        except httpx.HTTPError as error:
            raise NoServer(f"The file broke off ({type(error).__name__}). Try again.") from error

    def bytes(self, path: str) -> bytes:
        """A file that is made by a wish (POST)."""
        content: bytes = self._ask("POST", path).content
        return content

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        import httpx

        try:
            answer = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise NoServer(
                f"No BlossomTune answers at {self.address.url} ({type(error).__name__}). Start it "
                "with `blossomtune serve`, or name another with --url."
            ) from error
        if answer.is_success:
            return answer
        raise ServerAnswered(_sentence(answer), answer.status_code)


def find(arguments: argparse.Namespace) -> Address:
    """Address and token from options, variables or the data directory, in this order."""
    named_url, named_token = config.rest_variables()
    url, token = arguments.url or named_url, arguments.token or named_token
    if not (url and token):
        local = _local(config.load(data_dir=arguments.data_dir).data_dir)
        # The token of this machine's server goes nowhere else.
        if local and url in ("", local.url):
            url, token = local.url, token or local.token
    if not token:
        raise SettingsError(
            "No running server was found here and no token was given. Start `blossomtune serve`, "
            "or set BLOSSOMTUNE_URL and BLOSSOMTUNE_TOKEN."
        )
    if not url.startswith(("http://", "https://")):
        raise SettingsError("BLOSSOMTUNE_URL must be like https://fl.example.org.")
    return Address(url.rstrip("/"), token)


def _local(data_dir: Path) -> Address | None:
    try:
        kept = json.loads((data_dir / _LOCAL_FILE).read_bytes())
        return Address(kept["url"], kept["token"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError(
            f"{data_dir / _LOCAL_FILE} cannot be read ({type(error).__name__}). Run this as the "
            "server's user, or set BLOSSOMTUNE_URL and BLOSSOMTUNE_TOKEN."
        ) from error


def _sentence(answer: httpx.Response) -> str:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return f"{answer.url.host} answered {answer.status_code} {answer.reason_phrase}."
    return str(detail)
