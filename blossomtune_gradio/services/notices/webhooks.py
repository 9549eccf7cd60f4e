"""Webhooks: who is told of events by HTTP. What is told is put into the caller's transaction.

How a message looks and how it gets to its receiver: `deliveries`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import InvalidInput, NotFound, NotPossible
from blossomtune_gradio.identity import Role, User, require, require_owner
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.services.notices.deliveries import PAUSES, SECONDS, Deliveries
from blossomtune_gradio.services.notices.webhook_address import AddressGuard
from blossomtune_gradio.services.notices.webhook_signature import new_secret
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import (
    AlertKind,
    DeliveryStatus,
    Run,
    Webhook,
    WebhookDelivery,
    now,
)

_MOST, _MOST_TESTS = 50, 20  # webhooks of one person; messages that wait when a test is refused


class WebhookService:
    """Keeps webhooks and delivers to them."""

    def __init__(
        self,
        database: Database,
        logs: LogStore,
        guard: AddressGuard,
        pauses: Sequence[float] = PAUSES,
        seconds: float = SECONDS,
    ) -> None:
        """`pauses` before each further try and `seconds` for each: other ones in tests."""
        self._database, self._guard = database, guard
        self._deliveries = Deliveries(database, logs, guard, pauses, seconds)
        self.open, self.close = self._deliveries.open, self._deliveries.close
        self.deliver_due = self._deliveries.deliver_due

    # -- what people do --------------------------------------------------------------------

    def add(
        self, url: str, events: Sequence[str], by: User, run_id: int | None = None
    ) -> tuple[Webhook, str]:
        """A new webhook and its secret, which is never shown again.

        Raises:
            InvalidInput: the address may not be called, or an event is none.
        """
        require(by, Role.RESEARCHER, "add webhooks")
        url = url.strip()
        self._guard.check(url)
        chosen = [kind.value for kind in AlertKind if kind.value in events]
        if not chosen or len(chosen) != len(set(events)):
            raise InvalidInput(f"Choose from these events: {', '.join(AlertKind)}.")
        hook = Webhook(
            url=url,
            secret=new_secret(),
            events=chosen,
            run_id=run_id,
            owner=by.id,
            owner_name=by.name,
        )
        with self._database.write() as session:
            if run_id is not None and session.get(Run, run_id) is None:
                raise NotFound("This run does not exist. Reload the page.")
            if (
                len(list(session.scalars(select(Webhook.id).where(Webhook.owner == by.id))))
                >= _MOST
            ):
                raise NotPossible(f"You have {_MOST} webhooks already; delete one first.")
            session.add(hook)
            session.flush()
            record(session, by, "webhook.add", f"webhook:{hook.id}", target_name=url)
        return hook, hook.secret

    def delete(self, webhook_id: int, by: User) -> None:
        """Take a webhook away, with what is still on its way to it."""
        require(by, Role.RESEARCHER, "delete webhooks")
        with self._database.write() as session:
            hook = session.get(Webhook, webhook_id)
            if hook is None:
                raise NotFound("This webhook does not exist (any more). Reload the page.")
            require_owner(by, hook.owner, "delete a webhook")
            record(session, by, "webhook.delete", f"webhook:{hook.id}", target_name=hook.url)
            session.delete(hook)

    def test(self, webhook_id: int, by: User) -> None:
        """Queue a message that says it is a test."""
        require(by, Role.RESEARCHER, "test webhooks")
        with self._database.write() as session:
            hook = session.get(Webhook, webhook_id)
            if hook is None:
                raise NotFound("This webhook does not exist (any more). Reload the page.")
            require_owner(by, hook.owner, "test a webhook")
            if _waiting(session, hook.id) >= _MOST_TESTS:
                raise NotPossible(
                    f"{_MOST_TESTS} messages wait for this webhook already; see to its receiver."
                )
            session.add(_delivery(hook, "test", {"text": "A test of this webhook."}))
        self._deliveries.wake()

    def list(self, by: User) -> list[tuple[Webhook, WebhookDelivery | None]]:
        """One's own webhooks (an admin sees all), each with its newest delivery."""
        require(by, Role.RESEARCHER, "see webhooks")
        query = select(Webhook).order_by(Webhook.id)
        if by.role < Role.ADMIN:
            query = query.where(Webhook.owner == by.id)
        with self._database.read() as session:
            return [(hook, _newest(session, hook.id)) for hook in session.scalars(query)]

    # -- what happens ----------------------------------------------------------------------

    def queue(
        self, session: Session, event: str, payload: Mapping[str, Any], run_id: int | None = None
    ) -> None:
        """Put a message for everybody who wants it into the caller's transaction."""
        for hook in session.scalars(select(Webhook)):
            if event in hook.events and hook.run_id in (None, run_id):
                session.add(_delivery(hook, event, payload))
        self._deliveries.wake()


def _delivery(hook: Webhook, event: str, payload: Mapping[str, Any]) -> WebhookDelivery:
    at = now().isoformat(timespec="seconds")
    return WebhookDelivery(webhook_id=hook.id, event=event, payload={"at": at, **payload})


def _newest(session: Session, webhook_id: int) -> WebhookDelivery | None:
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    return session.scalar(query.order_by(WebhookDelivery.id.desc()).limit(1))


def _waiting(session: Session, webhook_id: int) -> int:
    query = select(func.count()).where(
        WebhookDelivery.webhook_id == webhook_id,
        WebhookDelivery.status_word == DeliveryStatus.QUEUED.value,
    )
    return session.scalar(query) or 0
