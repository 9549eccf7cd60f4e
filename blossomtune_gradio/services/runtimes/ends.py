"""Which programs of ours ended, and how: written into the audit trail, read again for verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from blossomtune_gradio.identity import SYSTEM
from blossomtune_gradio.processes import State, Status, died_unseen
from blossomtune_gradio.services.audit.trail import AuditLog
from blossomtune_gradio.services.runtimes.runtime import Incident, RunProgram
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import AuditEntry

_EXIT = "process.exit"
_LONGEST = 500  # characters of a reason


class ProgramEnds:
    """The ends of the supervised programs of one data directory."""

    def __init__(self, audit: AuditLog, database: Database, records: Path) -> None:
        """`records`: where the supervisor keeps what it started."""
        self._audit, self._database, self._records = audit, database, records

    def note(self, status: Status) -> None:
        """A program ended although nobody asked it to."""
        self._write(status.name, status.state, status.exit_code, status.reason[:_LONGEST])

    def note_unseen(self, names: Iterable[str]) -> None:
        """After a crash or a power cut: what ended besides us."""
        for name in names:
            if died_unseen(self._records, name):
                reason = (
                    f"{name} had ended when BlossomTune started again: a crash or a power cut "
                    "ended both."
                )
                self._write(name, State.FAILED, None, reason)

    def note_pause(self, name: str) -> None:
        """We end, and the program with us; its wish stays."""
        self._audit.note(SYSTEM, f"{name}.pause", f"process:{name}")

    def since(self, moment: datetime, programs: Iterable[RunProgram]) -> list[Incident]:
        """What ended of these since then, by itself or because it was stopped; oldest first."""
        known = {program.name: program for program in programs}
        wanted = [_EXIT, *(f"{name}.{verb}" for name in known for verb in ("pause", "stop"))]
        query = select(AuditEntry).where(AuditEntry.action.in_(wanted), AuditEntry.at >= moment)
        with self._database.read() as session:
            entries = list(session.scalars(query.order_by(AuditEntry.id)))
        return [incident for e in entries if (incident := _incident(e, known)) is not None]

    def _write(self, name: str, state: State, exit_code: int | None, reason: str) -> None:
        after = {"state": state.value, "exit_code": exit_code, "reason": reason}
        self._audit.note(SYSTEM, _EXIT, f"process:{name}", target_name=name, after=after)


def _incident(entry: AuditEntry, programs: Mapping[str, RunProgram]) -> Incident | None:
    at, name = f"{entry.at:%H:%M:%S} UTC", entry.target_name
    if entry.action == _EXIT:
        if name not in programs:
            return None
        text = f"{at}: {entry.after.get('reason', '')}"
        return Incident(name, text, hosts_apps=programs[name].hosts_apps)
    name, _, verb = entry.action.rpartition(".")
    program = programs[name]
    if verb == "pause":
        sentence = f"BlossomTune was ended, and the {program.title} with it."
    else:
        sentence = f"{entry.actor_name} stopped the {program.title}."
    return Incident(name, f"{at}: {sentence}", asked=True, hosts_apps=program.hosts_apps)
