"""Which sites have been asked and which have answered, read from the SuperLink's own database.

Flower's APIs tell no such thing, and without it nobody can say whom a round waits for. The file is
opened read-only for each look and nothing is kept. Limit: a question and its answer stay there only
until the ServerApp has fetched the answer (about 3 s), so look every two seconds. Surprises: node
ids are stored as signed numbers; and where there is no such file, or a later Flower keeps it
otherwise, the answer is *nothing known*, never an error.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flwr.proto.error_pb2 import Error
from google.protobuf.message import DecodeError

_SIGNED, _ALL = 2**63, 2**64
_QUERY = """
SELECT i.message_id, i.dst_node_id, i.message_type, i.created_at, i.delivered_at,
       r.message_id, r.error
FROM message_ins i LEFT JOIN message_res r ON r.reply_to_message_id = i.message_id
WHERE i.run_id = ?
"""


@dataclass(frozen=True)
class SiteMessage:
    """One question of a run to one site."""

    message_id: str
    node_id: int
    kind: str
    """train, evaluate, or what the app calls it."""
    asked_at: datetime
    fetched: bool
    """The site has taken it."""
    answered: bool
    error: str | None
    """The reason in an answer that is an error."""


class MessageBox:
    """The questions and answers that lie in one SuperLink's database."""

    def __init__(self, database: Path) -> None:
        self._database = database

    def of_run(self, run_id: int) -> list[SiteMessage]:
        """All that is there of one run at this moment."""
        if not self._database.exists():
            return []
        signed = run_id - _ALL if run_id >= _SIGNED else run_id
        try:
            address = f"{self._database.resolve().as_uri()}?mode=ro"
            with closing(sqlite3.connect(address, uri=True, timeout=1)) as connection:
                return [_message(row) for row in connection.execute(_QUERY, (signed,))]
        except sqlite3.Error:
            return []


def _message(row: tuple[str, int, str, float, str, str | None, bytes | None]) -> SiteMessage:
    message_id, node, kind, asked, fetched, reply, error = row
    return SiteMessage(
        message_id=message_id,
        node_id=node % _ALL,
        kind=kind or "",
        asked_at=datetime.fromtimestamp(asked, UTC),
        fetched=bool(fetched),
        answered=reply is not None,
        error=_reason(error),
    )


def _reason(blob: bytes | None) -> str | None:
    if not blob:
        return None
    try:
        return str(Error.FromString(blob).reason) or "no reason given"
    except DecodeError:
        return "an error that could not be read"
