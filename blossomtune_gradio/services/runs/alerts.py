"""Who is told when a run finished, failed or waits, or a site was lost: mails and webhooks.

Messages are queued in the transaction of the change they tell of; workers send them. A person
chooses what to hear of all runs (`AlertWish`) and may watch single ones (`RunWatch`). Surprise: the
address is the verified one of the person's account; only where there is none (local mode) a typed
one is taken.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import InvalidInput, NotFound
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.notices.webhooks import WebhookService
from blossomtune_gradio.services.runs.judging.end import Cause
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import AlertKind, AlertWish, Run, RunStatus, RunWatch

_ADDRESS = re.compile(r"[^\s@,;<>]{1,64}@[^\s@,;<>]{1,190}\.?[^\s@,;<>]{1,60}")


class AlertService:
    """Wishes of people, and the words that go out."""

    def __init__(self, database: Database, outbox: Outbox, webhooks: WebhookService) -> None:
        self._database, self._outbox, self._webhooks = database, outbox, webhooks

    def wishes(self, by: User) -> AlertWish:
        """What this person wants to hear of; nothing at first."""
        require(by, Role.RESEARCHER, "choose alerts")
        with self._database.read() as session:
            found = session.get(AlertWish, by.id)
        return found or AlertWish(user_id=by.id, email=by.email, kinds=[])

    def wish(self, kinds: Collection[str], email: str, by: User) -> AlertWish:
        """Choose which alerts of all runs come by mail.

        Raises:
            InvalidInput: an alert is none, or the address cannot be one.
        """
        require(by, Role.RESEARCHER, "choose alerts")
        unknown = sorted(set(kinds) - set(AlertKind))
        if unknown:
            raise InvalidInput(f"There is no alert {unknown[0]!r}; choose from the list.")
        chosen = [kind.value for kind in AlertKind if kind.value in kinds]
        wish = AlertWish(
            user_id=by.id, email=_address(by, email) if chosen else email.strip(), kinds=chosen
        )
        with self._database.write() as session:
            return session.merge(wish)

    def watch(self, run_id: int, on: bool, email: str, by: User) -> None:
        """Be told of the end and the waits of one run, or not any more."""
        require(by, Role.RESEARCHER, "watch runs")
        with self._database.write() as session:
            if session.get(Run, run_id) is None:
                raise NotFound("This run does not exist. Reload the page.")
            old = session.get(RunWatch, (run_id, by.id))
            if old is not None:
                session.delete(old)
                session.flush()
            if on:
                wish = session.get(AlertWish, by.id)
                address = _address(by, email or (wish.email if wish else ""))
                session.add(RunWatch(run_id=run_id, user_id=by.id, email=address))

    def watches(self, run_id: int, by: User) -> bool:
        """Whether this person watches the run."""
        with self._database.read() as session:
            return session.get(RunWatch, (run_id, by.id)) is not None

    # -- in the transaction of what happened -------------------------------------------------

    def run_ended(self, session: Session, run: Run) -> None:
        """Tell of the end of a run. One that was stopped by a person has failed for nobody."""
        good = run.status is RunStatus.COMPLETED
        by_person = run.cause_code in (Cause.STOPPED, Cause.CANCELLED)
        kind = AlertKind.RUN_FINISHED if good or by_person else AlertKind.RUN_FAILED
        self._tell(session, kind, run)

    def run_waits(self, session: Session, run: Run, sentence: str) -> None:
        """Tell that a run has been waiting for a while."""
        self._tell(session, AlertKind.RUN_WAITING, run, sentence)

    def site_lost(self, session: Session, site: str, last_seen: datetime, minutes: int) -> None:
        """Tell that a site that was online has been away for so long."""
        kind = AlertKind.SITE_LOST
        seen = last_seen.isoformat(timespec="seconds")
        for wish in session.scalars(select(AlertWish)):
            if kind.value in wish.kinds:
                self._outbox.put(
                    session, kind.value, wish.email, site=site, minutes=minutes, last_seen=seen
                )
        payload = {"site": {"name": site, "last_seen": seen, "minutes": minutes}}
        self._webhooks.queue(session, kind.value, payload)

    def _tell(self, session: Session, kind: AlertKind, run: Run, sentence: str = "") -> None:
        cause = sentence or run.cause
        for address in self._hearers(session, kind, run.id):
            self._outbox.put(
                session,
                kind.value,
                address,
                run=run.name,
                run_id=run.id,
                app=run.app,
                status=run.status.value,
                cause=cause,
            )
        self._webhooks.queue(session, kind.value, {"run": _facts(run, cause)}, run.id)

    def _hearers(self, session: Session, kind: AlertKind, run_id: int) -> list[str]:
        """Each person once: the run's watchers, and who wants to hear of all."""
        found = {w.user_id: w.email for w in session.scalars(select(AlertWish)) if kind in w.kinds}
        watching = select(RunWatch).where(RunWatch.run_id == run_id)
        found |= {watch.user_id: watch.email for watch in session.scalars(watching)}
        return sorted(set(found.values()))


def _address(by: User, typed: str) -> str:
    address = by.email or typed.strip()
    if not _ADDRESS.fullmatch(address):
        raise InvalidInput("Alerts need an e-mail address, like ada@example.org; type yours.")
    return address


def _facts(run: Run, cause: str) -> dict[str, Any]:
    return {
        "id": run.id,
        "name": run.name,
        "app": run.app,
        "status": run.status.value,
        "cause": cause,
        "cause_code": run.cause_code,
        "round": run.round,
        "rounds": run.rounds,
        "started_by": run.started_by,
        "source": run.source,
    }
