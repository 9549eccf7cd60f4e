"""What each site does in a run: asked, answered, failed, and with which error.

Written from what lies in the SuperLink's database: questions, answers, and the error replies that
the ServerApp was given. Nothing of it is read from a log, which anybody can write into. Surprise: a
question that is gone from there was answered, even if nobody here saw the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blossomtune_gradio.flower.lines.diagnosis import Who, spoken
from blossomtune_gradio.flower.link.messages import ErrorReply, SiteMessage
from blossomtune_gradio.plain_text import one_line
from blossomtune_gradio.services.runs import timeline
from blossomtune_gradio.services.sites.service import Site
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import RunError, RunSite, now

_LONGEST = 2000  # characters of an error that are kept
_SHOWN = 200  # different errors that a verdict is made of
_MOST_ERRORS = 5000  # of one run that are kept; later ones change nothing


class SiteLedger:
    """The rows `run_sites` of one run."""

    def __init__(self, database: Database, run_id: int) -> None:
        self._database, self._run_id = database, run_id
        self._counted: set[str] = set()  # questions that are among the asked already
        self._goes_on = bool(self.rows())  # an earlier ledger may have counted what lies there

    def note(
        self, messages: Sequence[SiteMessage], sites: Mapping[str, Site], round_number: int
    ) -> None:
        """Take in what lies there now. Counting the same message again changes nothing."""
        by_node: dict[str, list[SiteMessage]] = {}
        for message in messages:
            by_node.setdefault(str(message.node_id), []).append(message)
        with self._database.read() as session:
            rows = self._rows(session)
        if not by_node and not any(row.open_messages for row in rows.values()):
            return
        if self._goes_on:
            self._counted.update(message.message_id for message in messages if message.answered)
            self._goes_on = False
        with self._database.write() as session:
            rows = self._rows(session)
            for node, row in rows.items():
                self._update(row, by_node.pop(node, []), round_number)
            for node, found in by_node.items():
                row = self._new(node, sites.get(node))
                session.add(row)
                timeline.note(session, self._run_id, "site", f"{row.name} takes part.")
                self._update(row, found, round_number)

    def note_errors(
        self, errors: Sequence[ErrorReply], sites: Mapping[str, Site], round_number: int
    ) -> None:
        """Take in error replies; one that is known already changes nothing."""
        with self._database.write() as session:
            rows = self._rows(session)
            kept = session.scalar(select(func.count()).where(RunError.run_id == self._run_id)) or 0
            for error in errors[: max(0, _MOST_ERRORS - kept)]:
                if session.get(RunError, (self._run_id, error.message_id)) is None:
                    row = rows.get(str(error.node_id))
                    if row is None and str(error.node_id) in sites:  # quicker than our look
                        row = rows[str(error.node_id)] = self._enter(session, error, sites)
                    session.add(_error_row(self._run_id, error))
                    if row is not None:
                        self._fail(session, row, error, round_number)

    def _enter(self, session: Session, error: ErrorReply, sites: Mapping[str, Site]) -> RunSite:
        row = self._new(str(error.node_id), sites[str(error.node_id)])
        session.add(row)
        timeline.note(session, self._run_id, "site", f"{row.name} takes part.")
        return row

    def _fail(self, session: Session, row: RunSite, error: ErrorReply, round_number: int) -> None:
        if error.message_id in row.open_messages:
            row.open_messages = [m for m in row.open_messages if m != error.message_id]
            row.open_since = row.open_since if row.open_messages else None
            row.answered += 1
        elif error.message_id not in self._counted:  # came and went between two looks
            row.asked, row.answered = row.asked + 1, row.answered + 1
        self._counted.add(error.message_id)
        row.failures += 1
        said = one_line(spoken(error.reason))[:_LONGEST]
        row.last_error = said
        row.last_round, row.last_at = max(row.last_round, round_number), now()
        how = "failed" if error.by_site else "gave no answer"
        timeline.note(session, self._run_id, "site", f"{row.name} {how}: {said[:300]}")

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

    def _update(self, row: RunSite, messages: list[SiteMessage], round_number: int) -> None:
        known, there = set(row.open_messages), {m.message_id for m in messages}
        unanswered = [m for m in messages if not m.answered]
        still_open = {m.message_id for m in unanswered}
        new = [m for m in messages if m.message_id not in known | self._counted]
        done = [m for m in messages if m.answered and (m in new or m.message_id in known)]
        gone = known - there
        if not (new or done or gone):
            return
        row.asked += len(new)
        row.answered += len(done) + len(gone)
        self._counted.update(there)
        row.open_messages = sorted(still_open)
        row.open_since = min((m.asked_at for m in unanswered), default=None)
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
