"""What an admin changes while the program runs, kept in the database.

Readers pass the session of their own transaction, so a check and the change it allows see the same
values.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import InvalidInput, NotPossible
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import Option, Participant

_PARTITIONS = "partitions"
_SUPERLINK_PORT = "superlink port"
SUPERLINK = "process:superlink"  # what the audit trail calls it


@dataclass(frozen=True)
class PartitionUse:
    """How many data partitions there are, how many have an owner, and the lowest that has none."""

    total: int
    assigned: int
    lowest_free: int | None


class Options:
    """Typed access to the table `options`."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings

    def partitions(self, session: Session | None = None) -> int:
        """Number of data partitions of the federation."""
        return int(self._get(_PARTITIONS, str(self._settings.partitions), session))

    def partition_use(self, session: Session) -> PartitionUse:
        """What an admin wants to know before an approval."""
        owned = Participant.partition_id.is_not(None)
        taken = set(session.scalars(select(Participant.partition_id).where(owned)))
        total = self.partitions(session)
        free = next((number for number in range(total) if number not in taken), None)
        return PartitionUse(total, len(taken), free)

    def set_partitions(self, total: int, by: User) -> None:
        """Change the number of partitions.

        Raises:
            InvalidInput: it is not between 1 and 100000.
            NotPossible: approved sites were told another number; each splits its data by it.
        """
        require(by, Role.ADMIN, "change the number of partitions")
        if not 1 <= total <= 100_000:
            raise InvalidInput("The number of partitions must be between 1 and 100000.")
        with self._database.write() as session:
            use = self.partition_use(session)
            if total == use.total:
                return
            if use.assigned:
                raise NotPossible(
                    f"{use.assigned} approved site(s) split their data into {use.total} "
                    f"partitions. Revoke them first, or start the run with {use.total} partitions."
                )
            session.merge(Option(name=_PARTITIONS, value=str(total)))
            before, after = {"total": use.total}, {"total": total}
            record(
                session, by, "partitions.change", "option:partitions", before=before, after=after
            )

    def superlink_port(self) -> int:
        """The loopback port of the SuperLink that should be up, 0 when none should."""
        return int(self._get(_SUPERLINK_PORT, "0"))

    def remember_superlink(self, port: int, by: User, why: str = "") -> None:
        """Keep the wish: up on this port, or (0) not at all; `why` is for the audit trail."""
        with self._database.write() as session:
            old = int(self._get(_SUPERLINK_PORT, "0", session))
            verb = "start" if port else "stop"
            said = {"port": port, **({"why": why} if why else {})}
            record(session, by, f"superlink.{verb}", SUPERLINK, before={"port": old}, after=said)
            session.merge(Option(name=_SUPERLINK_PORT, value=str(port)))

    def _get(self, name: str, default: str, session: Session | None = None) -> str:
        if session is None:
            with self._database.read() as own:
                return self._get(name, default, own)
        row = session.get(Option, name)
        return default if row is None else row.value
