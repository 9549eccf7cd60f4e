"""Who was asked, who has answered and with which error, as the SuperLink's own database has it.

Flower's APIs tell no such thing, and without it nobody can say whom a round waits for. The file is
opened read-only for each look and nothing is kept. Limit: a question and its answer stay there only
until the ServerApp has fetched the answer (about 3 s), so look every two seconds. Surprises: node
ids are stored as signed numbers; and where there is no such file, or a later Flower keeps it
otherwise, or another program locks it, the answer is None: *not known*, which is not *nothing*.
What the ServerApp was given stays: its process has the SuperLink keep that (`given`).

Two marks are also taken back: that a question, or an answer, was fetched. Flower 1.42 sets them
before it sends, and repeats nothing, so what breaks in between would never be asked for again. And
an answer whose sender has given up is no longer awaited.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flwr.proto.error_pb2 import Error
from google.protobuf.message import DecodeError

from blossomtune_gradio.errors import FlowerError
from blossomtune_gradio.flower.link import given
from blossomtune_gradio.flower.link.given import Given
from blossomtune_gradio.flower.link.server_process import ERROR, REPLIES

_SIGNED, _ALL = 2**63, 2**64
_QUERY = """
SELECT i.message_id, i.dst_node_id, i.message_type, i.created_at, i.delivered_at,
       r.message_id, r.error
FROM message_ins i LEFT JOIN message_res r ON r.reply_to_message_id = i.message_id
WHERE i.run_id = ?
"""
_OPEN = """
SELECT i.message_id, i.run_id, n.name
FROM message_ins i
JOIN node n ON n.node_id = i.dst_node_id
JOIN run ON run.run_id = i.run_id
JOIN task ON task.task_id = run.primary_task_id
WHERE n.public_key = ? AND i.delivered_at <> '' AND i.delivered_at <= ?
  AND task.finished_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM message_res r WHERE r.reply_to_message_id = i.message_id)
"""
_EVENTS = """
SELECT id, event, data FROM task_event
WHERE run_id = ? AND event IN (?, ?) AND id > ? ORDER BY id LIMIT ?
"""
_MOST_EVENTS = 1000  # of one look
_WRITE_SECONDS = 2.0  # to wait for the SuperLink's own writing


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


@dataclass(frozen=True)
class OpenMessage:
    """A question that a site has taken and not answered."""

    message_id: str
    run_id: int
    site: str


class MessageBox:
    """The questions and answers that lie in one SuperLink's database."""

    def __init__(self, database: Path) -> None:
        self._database = database

    def of_run(self, run_id: int) -> list[SiteMessage] | None:
        """All that is there of one run at this moment; None: not known."""
        rows = self._rows(_QUERY, _signed(run_id))
        return None if rows is None else [_message(row) for row in rows]

    def kind_of(self, message_id: str) -> str | None:
        """What this question asks for ("train", "evaluate", …); "" if there is no such question."""
        rows = self._rows("SELECT message_type FROM message_ins WHERE message_id = ?", message_id)
        return None if rows is None else str(rows[0][0]) if rows else ""

    def given_to(self, run_id: int, after: int = 0) -> Given | None:
        """What the ServerApp of a run was given, in at most 1000 events numbered above `after`.

        Nothing more is there once the number stays the same. None: not known.
        """
        rows = self._rows(_EVENTS, _signed(run_id), ERROR, REPLIES, after, _MOST_EVENTS)
        return None if rows is None else given.read(rows, after)

    def taken_by(self, public_key: bytes, until: datetime) -> list[OpenMessage]:
        """What the owner of this key (PEM) took by then and has not answered, of runs that go on.

        Raises:
            FlowerError: the database cannot be used; so do those below.
        """
        with self._open() as connection:
            rows = connection.execute(_OPEN, (public_key, until.isoformat())).fetchall()
        return [OpenMessage(message, run % _ALL, site or "") for message, run, site in rows]

    def hand_out_again(self, message_ids: Iterable[str]) -> None:
        """Let their sites have these questions once more.

        Where a site had the whole content, Flower has deleted it: the ServerApp is told then that
        the message is unavailable.
        """
        self._change("UPDATE message_ins SET delivered_at = '' WHERE message_id = ?", message_ids)

    def withdraw(self, message_ids: Iterable[str]) -> None:
        """Take these questions back; the ServerApp is told that they are unavailable."""
        self._change("DELETE FROM message_ins WHERE message_id = ?", message_ids)

    def end_pushes(self, roots: Iterable[str]) -> None:
        """Await no more of these answers, by the objects that hold them; what is whole stays.

        Flower itself awaits the rest of an answer for three minutes after the last piece.
        """
        self._change(
            "UPDATE object_push_sessions SET expires_at = '2000-01-01 00:00:00.000000+00:00'"
            " WHERE pending_count > 0 AND session_id IN"
            " (SELECT session_id FROM object_push_session_roots WHERE root_object_id = ?)",
            roots,
        )

    def offer_answers_again(self) -> int:
        """Let ServerApps have the answers that a SuperLink took out just before it died; how many.

        One that lives deletes an answer at once, and then it is not here any more.
        """
        with self._open() as connection:
            return connection.execute(
                "UPDATE message_res SET delivered_at = '' WHERE delivered_at <> ''"
            ).rowcount

    def _rows(self, query: str, *values: object) -> list[Any] | None:
        address = f"{self._database.resolve().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=1)) as connection:
                return connection.execute(query, values).fetchall()
        except sqlite3.Error:
            return None

    def _change(self, statement: str, names: Iterable[str]) -> None:
        with self._open() as connection:
            connection.executemany(statement, [(name,) for name in names])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        address = f"{self._database.resolve().as_uri()}?mode=rw"
        try:
            with (
                closing(sqlite3.connect(address, uri=True, timeout=_WRITE_SECONDS)) as connection,
                connection,
            ):
                yield connection
        except sqlite3.Error as error:
            raise FlowerError(f"The SuperLink's database cannot be used ({error}).") from error


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


def _signed(run_id: int) -> int:
    return run_id - _ALL if run_id >= _SIGNED else run_id


def _reason(blob: bytes | None) -> str | None:
    if not blob:
        return None
    try:
        return str(Error.FromString(blob).reason) or "no reason given"
    except DecodeError:
        return "an error that could not be read"
