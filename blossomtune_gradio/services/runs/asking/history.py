"""What is kept of runs: found again, described, marked, deleted.

Everybody who takes part may look; a researcher may mark; only who started a run or an admin may
delete it, with its log, its points and its timeline. What happened stays in the audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import String, cast, func, or_, select
from sqlalchemy.sql import Select

from blossomtune_gradio.errors import InvalidFields, NotFound, NotPossible
from blossomtune_gradio.identity import Role, User, require, require_owner
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.services.runs import timeline
from blossomtune_gradio.services.runs.asking.request import clean_tags
from blossomtune_gradio.services.runs.folder import RunFolders
from blossomtune_gradio.services.runs.rows import LAST_ID, source_of
from blossomtune_gradio.services.runs.watching.ledger import SiteLedger
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import Option, Run, RunEvent, RunSite, RunStatus

_LONGEST_NOTE = 4000
OPEN = "open"  # instead of a status: all that have not ended


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """What to look for; empty is everything."""

    text: str = ""  # in name, app, note, tags, starter, cause
    status: str = ""  # a status, or `OPEN`
    app: str = ""
    tag: str = ""
    pinned: bool = False


class RunHistory:
    """All runs there ever were."""

    def __init__(self, database: Database, logs: LogStore, folders: RunFolders) -> None:
        self._database, self._logs, self._folders = database, logs, folders

    def search(
        self, what: RunFilter, by: User, offset: int = 0, limit: int = 25
    ) -> tuple[list[Run], int]:
        """Pinned runs first, then the newest; and how many there are in all."""
        require(by, Role.PARTICIPANT, "see runs")
        query = _filtered(select(Run), what)
        order = query.order_by(Run.pinned.desc(), Run.id.desc())
        with self._database.read() as session:
            total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
            return list(session.scalars(order.offset(offset).limit(limit))), total

    def tags(self, by: User) -> list[str]:
        """All tags in use."""
        require(by, Role.PARTICIPANT, "see runs")
        with self._database.read() as session:
            lists = session.scalars(select(Run.tags).where(cast(Run.tags, String) != "[]"))
            return sorted({tag for tags in lists for tag in tags})

    def apps(self, by: User) -> list[str]:
        """All apps that were ever run."""
        require(by, Role.PARTICIPANT, "see runs")
        with self._database.read() as session:
            return sorted(session.scalars(select(Run.app).distinct()))

    def events(self, run_id: int, by: User, after: int = 0) -> list[RunEvent]:
        """The timeline, oldest first."""
        require(by, Role.PARTICIPANT, "see runs")
        with self._database.read() as session:
            return timeline.events(session, run_id, after)

    def sites(self, run_id: int, by: User) -> list[RunSite]:
        """What each site did."""
        require(by, Role.PARTICIPANT, "see runs")
        return SiteLedger(self._database, run_id).rows()

    def newest_of(self, app: str, by: User) -> Run | None:
        """The last run of an app, one's own before those of others."""
        require(by, Role.RESEARCHER, "start runs")
        query = select(Run).where(Run.app == app)
        order = query.order_by((Run.created_by == by.id).desc(), Run.id.desc())
        with self._database.read() as session:
            return session.scalar(order.limit(1))

    def mark(
        self,
        run_id: int,
        by: User,
        *,
        note: str | None = None,
        tags: Sequence[str] | None = None,
        pinned: bool | None = None,
    ) -> Run:
        """Change note, tags or pin; None leaves it.

        Raises:
            InvalidFields: the note is too long, or a tag cannot be one.
        """
        require(by, Role.RESEARCHER, "mark runs")
        if note is not None and len(note) > _LONGEST_NOTE:
            raise InvalidFields({"note": f"A note has up to {_LONGEST_NOTE} characters."})
        with self._database.write() as session:
            run = session.get(Run, run_id)
            if run is None:
                raise NotFound("This run does not exist. Reload the page.")
            before = {"note": run.note, "tags": run.tags, "pinned": run.pinned}
            run.note = run.note if note is None else note.strip()
            run.tags = run.tags if tags is None else clean_tags(tags)
            run.pinned = run.pinned if pinned is None else pinned
            after = {"note": run.note, "tags": run.tags, "pinned": run.pinned}
            if before != after:
                target = f"run:{run_id}"
                record(
                    session,
                    by,
                    "run.mark",
                    target,
                    target_name=run.name,
                    before=before,
                    after=after,
                )
            return run

    def delete(self, run_id: int, by: User) -> str:
        """Delete a run that has ended, with log, points, timeline and files; its name.

        Raises:
            NotAllowed: it is somebody else's.
            NotPossible: it has not ended.
        """
        require(by, Role.RESEARCHER, "delete runs")
        with self._database.write() as session:
            run = session.get(Run, run_id)
            if run is None:
                raise NotFound("This run does not exist (any more). Reload the page.")
            require_owner(by, run.created_by, "delete a run")
            if not run.status.is_end:
                raise NotPossible(f"{run.name} is {run.status}; stop it before you delete it.")
            option = session.get(Option, LAST_ID)
            last = max(run_id, int(option.value) if option else 0)
            session.merge(Option(name=LAST_ID, value=str(last)))
            record(
                session,
                by,
                "run.delete",
                f"run:{run_id}",
                target_name=run.name,
                before={"app": run.app, "status": run.status.value, "cause": run.cause},
            )
            folder = self._folders.of(run)
            session.delete(run)
        folder.remove()
        self._logs.remove(source_of(run_id))
        return run.name


def _filtered(query: Select[tuple[Run]], what: RunFilter) -> Select[tuple[Run]]:
    for word in what.text.split()[:8]:
        pattern = f"%{_escaped(word)}%"
        columns = (Run.name, Run.app, Run.note, Run.started_by, Run.cause, cast(Run.tags, String))
        query = query.where(or_(*(column.ilike(pattern, escape="\\") for column in columns)))
    if what.status == OPEN:
        ends = [status.value for status in RunStatus if status.is_end]
        query = query.where(Run.status_word.not_in(ends))
    elif what.status:
        query = query.where(Run.status_word == what.status)
    if what.app:
        query = query.where(Run.app == what.app)
    if what.tag:
        query = query.where(cast(Run.tags, String).like(f'%"{_escaped(what.tag)}"%', escape="\\"))
    if what.pinned:
        query = query.where(Run.pinned)
    return query


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
