"""What sites tell of their machines: the newest result of each site's checks, for who may see it.

A site reports with its join token, at each start and at each `--check`. Texts come from foreign
machines: sizes are limited, control characters removed. Only the newest report is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import NotFound, NotPossible
from blossomtune_gradio.identity import Role, User, require, require_owner
from blossomtune_gradio.plain_text import plain
from blossomtune_gradio.services.people.limits import Limits
from blossomtune_gradio.services.sites.joining import TokenRefused, holder
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import NodeKey, Participant, SiteReport, now

TAIL_BYTES = 64 * 1024
Word = Annotated[str, StringConstraints(max_length=100)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Sentence = Annotated[str, StringConstraints(max_length=1000)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class CheckResult(_Strict):
    """One check: its name, PASS, WARN, FAIL or SKIP, and what it found."""

    name: Word
    state: Word
    sentence: Sentence = ""


class Machine(_Strict):
    """Numbers of 0 mean that they could not be found out."""

    cpus: Count = 0
    memory_mb: Count = 0
    free_disk_mb: Count = 0
    gpus: Annotated[list[Word], Field(max_length=16)] = []


class Versions(_Strict):
    """Of Python, flwr and the operating system."""

    python: Word = ""
    flwr: Word = ""
    os: Word = ""


class Report(_Strict):
    """What `join.py` hands in. `fingerprint` is that of its key, "" while there is none."""

    fingerprint: Word = ""
    good: bool
    checks: Annotated[list[CheckResult], Field(max_length=40)]
    versions: Versions = Versions()
    machine: Machine = Machine()
    tail: Annotated[str, StringConstraints(max_length=TAIL_BYTES)] = ""
    """Last lines of output after a failed task; only if the site chose to share them."""
    modules: Annotated[dict[Word, Word], Field(max_length=400)] | None = None
    """Module → its version, "" where it is not installed. None: a kit that does not tell."""
    node_keys: Annotated[list[Word], Field(max_length=400)] | None = None
    """Names of the keys in `[node_config]`; their values stay at the site."""


class SiteReports:
    """Takes reports in and shows the newest."""

    def __init__(self, database: Database, limits: Limits | None = None) -> None:
        self._database, self._limits = database, limits or Limits()

    def take(self, token: str, report: Report) -> None:
        """Keep a site's report; the token is its right.

        Raises:
            TokenRefused: the token is unknown, or its time is up and the site has no key here.
            NotAllowed: the site is not approved (any more).
            NotPossible: the key is another site's, or it reports too often.
        """
        with self._database.write() as session:
            row = holder(session, token, report.fingerprint)
            _require_right(session, row, report.fingerprint)
            self._limits.take_report(row.id)
            kept = session.get(SiteReport, row.id)
            content = _cleaned(report)
            if kept is None:
                session.add(SiteReport(participant_id=row.id, good=report.good, report=content))
            else:
                if not content["tail"]:  # the last failure stays visible
                    content |= {name: kept.report.get(name, "") for name in ("tail", "tail_at")}
                kept.at, kept.good, kept.report = now(), report.good, content

    def latest(self, participant_id: int, by: User) -> SiteReport | None:
        """The newest report of a site, for its owner or an admin; None before the first.

        `report` is {"checks": [{"name", "state", "ok", "sentence"}], "versions": {...},
        "machine": {...}, "tail": text of several lines, "tail_at": when it came, ISO}.
        """
        with self._database.read() as session:
            row = session.get(Participant, participant_id)
            if row is None:
                raise NotFound("This participant does not exist (any more). Reload the page.")
            require_owner(by, row.user_id, "see the report of this site")
            return session.get(SiteReport, participant_id)

    def told(self, participant_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """The newest report of each of these sites that has one; as in `latest`.

        "modules" and "node_keys" are absent where the kit of the site does not tell them.
        """
        with self._database.read() as session:
            rows = session.scalars(
                select(SiteReport).where(SiteReport.participant_id.in_(list(participant_ids)))
            )
            return {row.participant_id: row.report for row in rows}

    def tails(
        self, participant_ids: Iterable[int], since: datetime, until: datetime, by: User
    ) -> dict[int, str]:
        """What sites shared of a task that failed between two moments, by participant."""
        require(by, Role.RESEARCHER, "read what sites shared of their output")
        found = {}
        with self._database.read() as session:
            for one in participant_ids:
                kept = session.get(SiteReport, one)
                at = str(kept.report.get("tail_at", "")) if kept else ""
                if kept and at and since <= datetime.fromisoformat(at) <= until:
                    found[one] = str(kept.report["tail"])
        return found


def failed_checks(report: dict[str, Any]) -> tuple[str, ...]:
    """The names of the checks that failed, of a kept report: ("clock",)."""
    return tuple(check["name"] for check in report.get("checks", ()) if not check["ok"])


def _require_right(session: Session, row: Participant, fingerprint: str) -> None:
    """A token is good as long as it can be used, and later together with the key it brought in."""
    known = session.get(NodeKey, fingerprint) if fingerprint else None
    if known is not None and known.participant_id != row.id:
        raise NotPossible("This key belongs to another site. Get a new kit.")
    joined = known is not None and known.retired_at is None
    if not joined and (row.token_expires_at is None or now() >= row.token_expires_at):
        raise TokenRefused("The token of this kit has expired. Get a new kit.")


def _cleaned(report: Report) -> dict[str, Any]:
    return {
        "checks": [
            {
                "name": plain(check.name),
                "state": plain(check.state),
                "ok": check.state != "FAIL",
                "sentence": plain(check.sentence),
            }
            for check in report.checks
        ],
        "versions": {name: plain(text) for name, text in report.versions.model_dump().items()},
        "machine": {**report.machine.model_dump(), "gpus": [plain(g) for g in report.machine.gpus]},
        "tail": "\n".join(plain(line) for line in report.tail.split("\n"))[-TAIL_BYTES:],
        "tail_at": now().isoformat() if report.tail else "",
        **_told_of_apps(report),
    }


def _told_of_apps(report: Report) -> dict[str, Any]:
    """What the site tells of packages and keys; nothing where it does not tell."""
    told: dict[str, Any] = {}
    if report.modules is not None:
        told["modules"] = {plain(name): plain(what) for name, what in report.modules.items()}
    if report.node_keys is not None:
        told["node_keys"] = [plain(name) for name in report.node_keys]
    return told
