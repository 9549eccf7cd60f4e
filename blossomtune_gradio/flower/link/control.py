"""The one door to a running SuperLink: nodes, runs, logs, and stopping.

`FlowerControl` wraps the client under Flower's own command line. That client is not documented,
so nobody else imports it, and a contract test holds it against the real SuperLink. A call takes
about 5 ms where the command line takes 1.5 s. It may be used from several threads at once: the
HTTP client below is made for that, and no other state is shared.

Surprises: Flower keeps unregistered nodes in its list for ever. Each call leaves a line
`ControlServicer.…` in the SuperLink's log. And a run is `completed` even when every client failed.
"""

from __future__ import annotations

import ssl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListRunsRequest,
    RegisterNodeRequest,
    StopRunRequest,
    StreamLogsRequest,
    UnregisterNodeRequest,
)

from blossomtune_gradio.errors import FlowerError, FlowerUnreachable, SettingsError
from blossomtune_gradio.flower.link.control_client import ControlClient, LogClient
from blossomtune_gradio.flower.link.facts import LogChunk, Node, RunFact, node_fact, run_fact
from blossomtune_gradio.flower.link.failures import Code, FlowerRefused

__all__ = ["Code", "FlowerControl", "FlowerRefused", "LogChunk", "Node", "RunFact"]

_SETTLED = 0.2  # seconds without new text after which `log_now` answers "nothing"


class FlowerControl:
    """What we ask and tell one SuperLink. Every failure is a FlowerError; see `failures.Code`."""

    def __init__(self, address: str, ca_cert: Path) -> None:
        """`address` is host:port. Opens no connection; a bad `ca_cert` is a SettingsError."""
        self.address = address
        self._tls = _trust(ca_cert)
        self._client = ControlClient(address, self._tls)

    def close(self) -> None:
        """Close the connections. Calls after this fail."""
        self._client.close()

    def healthy(self) -> bool:
        """True when the SuperLink answers within two seconds. Never raises."""
        return self._client.healthy(seconds=2)

    def nodes(self) -> list[Node]:
        """All nodes that were ever registered, also the unregistered ones."""
        with self._translated():
            answer = self._client.ListNodes(ListNodesRequest())
        return [node_fact(info) for info in answer.nodes_info]

    def register(self, public_key: bytes, name: str) -> int:
        """Let the owner of this key (PEM) connect. Returns its node id, an unsigned 64-bit number.

        FlowerRefused with Code.KEY_IN_USE when the key is or was registered.
        """
        with self._translated():
            answer = self._client.RegisterNode(
                RegisterNodeRequest(public_key=public_key, name=name)
            )
        if not answer.node_id:
            raise FlowerError("The SuperLink registered no node. Try again in a moment.")
        return int(answer.node_id)

    def unregister(self, node_id: int) -> None:
        """Cut a node off, within seconds and for ever.

        FlowerRefused with Code.NODE_NOT_FOUND when there is none, or not any more.
        """
        with self._translated():
            self._client.UnregisterNode(UnregisterNodeRequest(node_id=node_id))

    def runs(self, limit: int = 20) -> list[RunFact]:
        """The newest runs, newest first."""
        with self._translated():
            answer = self._client.ListRuns(ListRunsRequest(limit=limit))
        facts = [run_fact(run) for run in answer.run_dict.values()]
        return sorted(facts, key=lambda fact: (str(fact.pending_at), fact.run_id), reverse=True)

    def run(self, run_id: int) -> RunFact | None:
        """One run, None when the SuperLink does not know it."""
        try:
            with self._translated():
                answer = self._client.ListRuns(ListRunsRequest(run_id=run_id))
        except FlowerRefused as refused:
            if refused.code == Code.RUN_NOT_FOUND:
                return None
            raise
        return run_fact(answer.run_dict[run_id])

    def logs(
        self, run_id: int, after: float = 0.0, *, quiet: float | None = None
    ) -> Generator[LogChunk, None, None]:
        """The ServerApp's output after a chunk's timestamp: first all there is, then as it comes.

        The first chunk holds everything up to now, whatever its size; later ones come every half
        second while there is something. A chunk may end in the middle of a line. The stream ends
        when the run has finished and all was sent, or after `quiet` seconds without a new chunk.
        Resume by handing in the last timestamp: nothing is repeated. Closing the iterator ends
        the stream at the server too. Waiting blocks, so without `quiet` give it a thread.
        """
        client = LogClient(self.address, self._tls, quiet)
        try:
            with self._translated():
                request = StreamLogsRequest(run_id=run_id, after_timestamp=after)
                for part in client.chunks(request):
                    yield LogChunk(part.log_output, part.latest_timestamp)
        finally:
            client.close()

    def log_now(self, run_id: int, after: float = 0.0) -> LogChunk | None:
        """What was written after a timestamp and is there now, None when there is nothing.

        Waits at most a fifth of a second for text, so a thread can poll it for several runs.
        """
        chunks = self.logs(run_id, after, quiet=_SETTLED)
        try:
            return next(chunks, None)
        finally:
            chunks.close()

    def stop(self, run_id: int) -> bool:
        """Stop a run. False when it had ended already; the ServerApp dies within about 10 s.

        Clients in the middle of their training go on to its end; Flower cannot call them back.
        """
        try:
            with self._translated():
                return bool(self._client.StopRun(StopRunRequest(run_id=run_id)).success)
        except FlowerRefused as refused:
            if refused.code == Code.RUN_ALREADY_FINISHED:
                return False
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Flower's and HTTP's exceptions, turned into ours."""
        try:
            yield
        except httpx.HTTPStatusError as error:
            raise _failure(error.response) from error
        except httpx.ReadTimeout as error:
            raise FlowerUnreachable(
                f"The SuperLink at {self.address} took too long to answer. It may be busy with "
                "large models; try again in a moment."
            ) from error
        except httpx.HTTPError as error:
            raise FlowerUnreachable(self._unreachable(error)) from error
        except (ValueError, RuntimeError) as error:  # not protobuf, or the client was closed
            raise FlowerError(
                f"The SuperLink at {self.address} could not be understood: {error}."
            ) from error

    def _unreachable(self, error: httpx.HTTPError) -> str:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return (
                f"The SuperLink at {self.address} shows a certificate that our CA did not sign. "
                "Restart it so that it uses the certificate of this data directory."
            )
        return (
            f"The SuperLink at {self.address} does not answer. Start it, or look into its log for "
            "the reason why it ended."
        )


def _trust(ca_cert: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_cert))
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"The CA certificate {ca_cert} cannot be read ({error}). Restore it from a backup."
        ) from error


def _failure(response: httpx.Response) -> FlowerError:
    """Flower's no to what was asked; or that it cannot say anything now, so one may ask again."""
    try:
        payload = response.json()
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        payload = {"detail": f"HTTP status {response.status_code}"}
    code = payload.get("code")
    words = " ".join(str(payload[key]) for key in ("detail", "extra") if payload.get(key))
    if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR and not isinstance(code, int):
        return FlowerUnreachable(f"The SuperLink has trouble and says: {words or 'nothing'}")
    return FlowerRefused(code if isinstance(code, int) else 0, words)
