"""What each site does in a run: asked, answered, failed, and with which error.

Written from what lies in the SuperLink's database and from the error replies in the run's log.
Surprise: a question that is gone from there was answered, even if nobody here saw the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from blossomtune_gradio.flower.diagnosis import Who, spoken
from blossomtune_gradio.flower.messages import SiteMessage
from blossomtune_gradio.flower.round_log import ErrorReply
from blossomtune_gradio.services.runs import timeline
from blossomtune_gradio.services.sites.service import Site
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import RunSite, now

_LONGEST = 2000  # characters of an error that are kept
LOST = 1  # the node id of the SuperLink itself


class SiteLedger:
    """The rows `run_sites` of one run."""

    def __init__(self, database: Database, run_id: int) -> None:
        self._database, self._run_id = database, run_id

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
        with self._database.write() as session:
            rows = self._rows(session)
            for node, row in rows.items():
                self._update(row, by_node.pop(node, []), round_number)
            for node, found in by_node.items():
                row = self._new(node, sites.get(node))
                session.add(row)
                timeline.note(session, self._run_id, "site", f"{row.name} takes part.")
                self._update(row, found, round_number)

    def failed(self, reply: ErrorReply, round_number: int) -> str:
        """An error reply, as the run's log has it: the name of the site, "" if not known."""
        with self._database.write() as session:
            row = session.get(RunSite, (self._run_id, str(reply.node_id)))
            if row is None:
                return ""
            row.failures += 1
            said = spoken(reply.reason)
            row.last_error = said[:_LONGEST]
            row.last_round = max(row.last_round, round_number)
            timeline.note(session, self._run_id, "site", f"{row.name} failed: {said[:300]}")
            return row.name

    def who(self, node_id: int) -> Who:
        """The site behind a node id in an error reply. Node 1 speaks for one that was lost."""
        rows = self.rows()
        names = [row.name for row in rows if row.node_id == str(node_id)]
        if node_id == LOST:
            names = [row.name for row in rows if row.answered < row.asked or _lost(row)]
        name = " or ".join(names) or "A site"
        return Who(name, f"at {name}" if names else "there")

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
            participant_id=site.participant_id if site else None,
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
        answered = [m for m in messages if m.answered and m.message_id in known]
        new = [m for m in unanswered if m.message_id not in known]
        gone = known - there
        if not (new or answered or gone):
            return
        row.asked += len(new)
        row.answered += len(answered) + len(gone)
        for message in answered:
            if message.error is not None:
                row.last_error = spoken(message.error)[:_LONGEST]
        row.open_messages = sorted(still_open)
        row.open_since = min((m.asked_at for m in unanswered), default=None)
        row.last_round, row.last_at = max(row.last_round, round_number), now()


def _lost(row: RunSite) -> bool:
    return "unavailable" in row.last_error.lower()
