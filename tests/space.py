"""What a Hugging Face Space puts around the program: its variables and a proxy that speaks https.

The browser is told that the Space's host name is this machine, so it goes to the real address, and
nothing in the program knows that it is a test.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress
from pathlib import Path

from blossomtune_gradio.tls import ensure_server_credentials
from tests.oidc import CLIENT, SECRET, OidcProvider
from tests.support import wait_for

SPACE = "alice-blossom.hf.space"


def space_variables(folder: Path, issuer: OidcProvider, **more: str) -> dict[str, str]:
    """Exactly what a Space injects, and what its owner sets."""
    return {
        "SYSTEM": "spaces",
        "SPACE_ID": "alice/blossom",
        "SPACE_HOST": SPACE,
        "OAUTH_CLIENT_ID": CLIENT,
        "OAUTH_CLIENT_SECRET": SECRET,
        "OAUTH_SCOPES": "openid profile email",
        "OPENID_PROVIDER_URL": issuer.url,
        "BLOSSOMTUNE_DATA_DIR": str(folder / "server"),
        "BLOSSOMTUNE_PORT": "0",
        "BLOSSOMTUNE_FLEET_PORT": "0",
    } | more


class TlsProxy:
    """Takes TLS off and passes the bytes on; use it as a context manager."""

    def __init__(self, folder: Path, target_port: int, *names: str) -> None:
        credentials = ensure_server_credentials(folder, list(names))
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(credentials.cert, credentials.key)
        self._target, self.port = target_port, 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> TlsProxy:
        self._thread.start()
        wait_for(lambda: self.port, 10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        serve = asyncio.start_server(self._pass, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._loop.run_until_complete(serve).sockets[0].getsockname()[1]
        self._loop.run_forever()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
