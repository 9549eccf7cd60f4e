"""What each site does in a run: asked, answered, failed, and with which error.

Written from what the ServerApp's process tells of each reply that it was given, and from what lies
in the SuperLink's database, which says what is open now. Nothing of it is read from a log, which
anybody can write into. Surprise: where the ServerApp's process is Flower's own nothing is told; a
question that is gone from the database then counts as answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blossomtune_gradio.flower.lines.diagnosis import Who, spoken
from blossomtune_gradio.flower.link.given import ErrorReply, Given
from blossomtune_gradio.flower.link.messages import SiteMessage
from blossomtune_gradio.plain_text import one_line
from blossomtune_gradio.services.runs import timeline
from blossomtune_gradio.services.runs.watching.counts import Counts
from blossomtune_gradio.services.sites.service import Site
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import RunError, RunSite, now

_LONGEST = 2000  # characters of an error that are kept
_SHOWN = 200  # different errors that a verdict is made of
_MOST_ERRORS = 5000  # of one run whose words are kept; the later ones are only counted


class SiteLedger:
    """The rows `run_sites` of one run. One that is new is told what was given from the start."""

    def __init__(self, database: Database, run_id: int) -> None:
        self._database, self._run_id = database, run_id
        self._counts: Counts | None = None

    def note(
        self,
        messages: Sequence[SiteMessage],
        given: Given,
        sites: Mapping[str, Site],
        round_number: int,
    ) -> None:
        """Take in what lies there now, and what was given. The same again changes nothing."""
        there: dict[str, list[SiteMessage]] = {}
        for message in messages:
            there.setdefault(str(message.node_id), []).append(message)
        with self._database.read() as session:
            rows = self._rows(session)
            if self._counts is None:
                self._counts = self._begun(session, rows, messages)
        counts = self._counts
        touched = counts.take(given) & {*sites, *rows} | {str(node) for _, node in given.good}
        touched |= {*there, *(node for node, row in rows.items() if row.open_messages)}
        if not touched and not given.errors:
            return
        with self._database.write() as session:
            rows = self._rows(session)
            for node in sorted(touched - rows.keys()):
                rows[node] = self._enter(session, node, sites.get(node))
            for node in touched:
                _update(rows[node], counts, there.get(node, []), round_number)
            self._note_errors(session, rows, given.errors)

    def _begun(
        self, session: Session, rows: Mapping[str, RunSite], messages: Iterable[SiteMessage]
    ) -> Counts:
        """Where an earlier ledger may have stopped."""
        counts = Counts()
        if rows:
            query = select(RunError).where(RunError.run_id == self._run_id)
            known = [(row.node_id, row.message_id) for row in session.scalars(query)]
            lies_there = [(str(m.node_id), m.message_id) for m in messages if m.answered]
            counts.go_on(rows.values(), [*known, *lies_there])
        return counts

    def _enter(self, session: Session, node: str, site: Site | None) -> RunSite:
        row = self._new(node, site)
        session.add(row)
        timeline.note(session, self._run_id, "site", f"{row.name} takes part.")
        return row

    def _note_errors(
        self, session: Session, rows: Mapping[str, RunSite], errors: Sequence[ErrorReply]
    ) -> None:
        """Keep the words of errors that are not known yet."""
        kept = 0
        if errors:
            query = select(func.count()).where(RunError.run_id == self._run_id)
            kept = session.scalar(query) or 0
        for error in errors[: max(0, _MOST_ERRORS - kept)]:
            if session.get(RunError, (self._run_id, error.message_id)) is None:
                session.add(_error_row(self._run_id, error))
                if row := rows.get(str(error.node_id)):
                    row.last_error = one_line(spoken(error.reason))[:_LONGEST]
                    how = "failed" if error.by_site else "gave no answer"
                    text = f"{row.name} {how}: {row.last_error[:300]}"
                    timeline.note(session, self._run_id, "site", text)

    def errors(self) -> list[ErrorReply]:
        """What each site answered with an error, the same words of a site once; the newest 200."""
        query = select(RunError).where(RunError.run_id == self._run_id).order_by(RunError.number)
        with self._database.read() as session:
            replies = [_reply(row) for row in session.scalars(query)]
        return list({(reply.node_id, reply.reason): reply for reply in replies}.values())[-_SHOWN:]

    def who(self, node_id: int) -> Who:
        """The site behind a node id in an error reply."""
        name = next((row.name for row in self.rows() if row.node_id == str(node_id)), "")
        return Who(name or "A site", f"at {name}" if name else "there")

    def rows(self) -> list[RunSite]:
        """By partition."""
        with self._database.read() as session:
            found = self._rows(session).values()
        return sorted(found, key=lambda row: (row.partition_id is None, row.partition_id, row.name))

    def _rows(self, session: Session) -> dict[str, RunSite]:
        query = select(RunSite).where(RunSite.run_id == self._run_id)
        return {row.node_id: row for row in session.scalars(query)}

    def _new(self, node: str, site: Site | None) -> RunSite:
        return RunSite(
            run_id=self._run_id,
            node_id=node,
            participant_id=(site.participant_id or None) if site else None,
            name=site.name if site else f"node {node}",
            partition_id=site.partition_id if site else None,
            asked=0,
            answered=0,
            failures=0,
            last_round=0,
            last_error="",
            open_messages=[],
        )


def _update(
    row: RunSite, counts: Counts, messages: Sequence[SiteMessage], round_number: int
) -> None:
    before = (row.asked, row.answered, row.failures, row.open_messages)
    still_open = counts.look(row, messages)
    row.open_messages = sorted(message.message_id for message in still_open)
    row.open_since = min((message.asked_at for message in still_open), default=None)
    counts.write(row)
    if before != (row.asked, row.answered, row.failures, row.open_messages):
        row.last_round, row.last_at = max(row.last_round, round_number), now()


def _error_row(run_id: int, error: ErrorReply) -> RunError:
    return RunError(
        run_id=run_id,
        message_id=error.message_id,
        number=error.number,
        node_id=str(error.node_id),
        by_site=error.by_site,
        reason=error.reason,
    )


def _reply(row: RunError) -> ErrorReply:
    return ErrorReply(row.number, row.message_id, int(row.node_id), row.reason, row.by_site)
