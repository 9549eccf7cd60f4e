"""What stands in front of a Space: it speaks https to the outside and plain http to the program."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress

from blossomtune_gradio.tls import ServerCredentials


class TlsDoor:
    """Takes TLS connections on `port` and hands the bytes on; use it as a context manager."""

    def __init__(self, port: int, inside: int, credentials: ServerCredentials) -> None:
        self.port, self._inside = port, inside
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(credentials.cert, credentials.key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> TlsDoor:
        self._thread.start()
        opened = asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        asyncio.run_coroutine_threadsafe(opened, self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inside = await asyncio.open_connection("127.0.0.1", self._inside)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pour(reader, inside[1]), _pour(inside[0], writer))


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()
        writer.close()
