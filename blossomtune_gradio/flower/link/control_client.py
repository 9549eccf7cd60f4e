"""Flower's own HTTP client, with the three habits taken off that do not suit a server.

It would use a proxy of the environment even for loopback, it would end our process when the
SuperLink has another version, and its log streams would wait for ever.
"""

from __future__ import annotations

import ssl
from collections.abc import Generator

import httpx
from flwr.proto.control_pb2 import StreamLogsRequest, StreamLogsResponse
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext
from flwr.supercore.runtime_version_compatibility import RuntimeVersionMetadata

_TIMEOUT = httpx.Timeout(15, connect=3)  # seconds; a SuperLink under load answers slowly
# Shorter than the 5 s after which the SuperLink closes an idle connection: no request gets into
# a connection that is just being closed.
_LIMITS = httpx.Limits(keepalive_expiry=2)


class ControlClient(ControlHttpClient):
    """The Control API over one pool of connections; may be used from several threads."""

    _client: httpx.Client
    _base_url: str

    def __init__(self, address: str, tls: ssl.SSLContext) -> None:
        super().__init__(f"https://{address}", interceptors=[_OwnVersion()], verify=tls)
        self._client.close()  # never used yet; it would go through a proxy
        self._client = httpx.Client(
            verify=tls, timeout=_TIMEOUT, limits=_LIMITS, trust_env=False, follow_redirects=False
        )

    def healthy(self, seconds: float) -> bool:
        """True when `GET /health` is answered in time."""
        try:
            answer = self._client.get(f"{self._base_url}/health", timeout=seconds)
        except (httpx.HTTPError, RuntimeError):  # RuntimeError: this client was closed
            return False
        return bool(answer.status_code == httpx.codes.OK)


class LogClient(ControlClient):
    """One stream of log chunks that ends after `quiet` seconds without a new one (None: never)."""

    def __init__(self, address: str, tls: ssl.SSLContext, quiet: float | None) -> None:
        super().__init__(address, tls)
        self._quiet = quiet
        self._opened = False

    def chunks(self, request: StreamLogsRequest) -> Generator[StreamLogsResponse, None, None]:
        """The answers, as they come."""
        try:
            yield from self.StreamLogs(request)
        except httpx.ReadTimeout:
            if not self._opened:  # then it is the SuperLink that is silent, not the run
                raise

    def _send(self, context: ProtobufRequestContext, *, stream: bool = False) -> httpx.Response:
        response: httpx.Response = super()._send(context, stream=stream)
        self._opened = True
        context.request.extensions["timeout"]["read"] = self._quiet
        return response


class _OwnVersion:
    """Tells the SuperLink our Flower version. Unlike Flower's own, it never ends the process."""

    def __init__(self) -> None:
        metadata = RuntimeVersionMetadata.from_local_component("blossomtune").as_metadata()
        self._headers = dict(metadata)

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        context.request.headers.update(self._headers)
        response: httpx.Response = call_next(context)
        return response
