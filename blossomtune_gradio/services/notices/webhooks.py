"""Webhooks: who is told of events by HTTP, and the worker that tells them.

A message is a JSON object in a POST. `X-BlossomTune-Signature` is `v1=` and the HMAC-SHA256 (hex),
with the webhook's secret, of the timestamp, a dot and the body; `X-BlossomTune-Timestamp` is that
timestamp in seconds. What is not taken with a 2xx answer is tried again with growing pauses, then
given up and shown. Redirects are not followed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import BlossomError, InvalidInput, NotFound, NotPossible
from blossomtune_gradio.identity import Role, User, require, require_owner
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.services.notices.webhook_address import AddressGuard
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import (
    AlertKind,
    DeliveryStatus,
    Run,
    Webhook,
    WebhookDelivery,
    now,
)

PAUSES = (10.0, 60.0, 300.0, 1800.0)  # seconds before the second try and so on
_EVERY, _TIMEOUT = 2.0, 10.0
_AT_ONCE, _MOST = 4, 50  # deliveries at the same time; webhooks of one person


class WebhookService:
    """Keeps webhooks and delivers to them."""

    def __init__(
        self,
        database: Database,
        logs: LogStore,
        guard: AddressGuard,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._database, self._logs, self._guard, self._pauses = database, logs, guard, pauses
        self._wake, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve, name="webhooks", daemon=True)

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
            secret=secrets.token_urlsafe(32),
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
            session.add(_delivery(hook, "test", {"text": "A test of this webhook."}))
        self._wake.set()

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
        self._wake.set()

    def open(self) -> None:
        """Start delivering."""
        self._thread.start()

    def close(self) -> None:
        """Stop delivering; what is on its way goes out after the next start."""
        self._ending.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_TIMEOUT + 5)

    def deliver_due(self) -> int:
        """Send what is due now; the number of messages that were tried."""
        with self._database.read() as session:
            query = (
                select(WebhookDelivery, Webhook)
                .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
                .where(
                    WebhookDelivery.status_word == DeliveryStatus.QUEUED.value,
                    (WebhookDelivery.next_try_at.is_(None))
                    | (WebhookDelivery.next_try_at <= now()),
                )
                .order_by(WebhookDelivery.id)
                .limit(100)
            )
            due = [(delivery, hook) for delivery, hook in session.execute(query)]
        if due:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(lambda pair: self._deliver(*pair), due))
        return len(due)

    def _serve(self) -> None:
        while not self._ending.is_set():
            try:
                self.deliver_due()
            except Exception as error:  # noqa: BLE001 - the worker must outlive any surprise
                self._logs.append("blossomtune", [f"ERROR: Webhooks stumbled: {error!r}"])
            self._wake.wait(_EVERY)
            self._wake.clear()

    def _deliver(self, delivery: WebhookDelivery, hook: Webhook) -> None:
        error = self._send(delivery, hook)
        with self._database.write() as session:
            row = session.get(WebhookDelivery, delivery.id)
            if row is None:
                return  # deleted in between, with its webhook
            row.tries += 1
            row.last_error = error
            if not error:
                row.status_word, row.sent_at = DeliveryStatus.SENT.value, now()
            elif row.tries > len(self._pauses):
                row.status_word = DeliveryStatus.FAILED.value
            else:
                row.next_try_at = now() + timedelta(seconds=self._pauses[row.tries - 1])
        if error:
            self._logs.append("blossomtune", [f"WARNING: Webhook {hook.id}: {error}"])

    def _send(self, delivery: WebhookDelivery, hook: Webhook) -> str:
        """Why it could not be delivered, as a sentence, or ""."""
        body = json.dumps(
            {"id": delivery.id, "event": delivery.event, **delivery.payload}, ensure_ascii=False
        ).encode()
        stamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "BlossomTune",
            "X-BlossomTune-Event": delivery.event,
            "X-BlossomTune-Delivery": str(delivery.id),
            "X-BlossomTune-Timestamp": stamp,
            "X-BlossomTune-Signature": signature(hook.secret, stamp, body),
        }
        try:
            target = self._guard.target(hook.url)
            headers["Host"] = target.host_header
            with (
                httpx.Client(timeout=_TIMEOUT, trust_env=False, follow_redirects=False) as client,
                client.stream(
                    "POST",
                    target.url,
                    content=body,
                    headers=headers,
                    extensions={"sni_hostname": target.server_name},
                ) as answer,
            ):  # its body is not read: it may be of any length
                good = 200 <= answer.status_code < 300
                return "" if good else f"{target.host_header} answered {answer.status_code}."
        except BlossomError as error:
            return str(error)
        except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
            return f"It could not be reached: {error or type(error).__name__}."


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What a receiver computes as well and compares."""
    signed = f"{timestamp}.".encode() + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _delivery(hook: Webhook, event: str, payload: Mapping[str, Any]) -> WebhookDelivery:
    at = now().isoformat(timespec="seconds")
    return WebhookDelivery(webhook_id=hook.id, event=event, payload={"at": at, **payload})


def _newest(session: Session, webhook_id: int) -> WebhookDelivery | None:
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    return session.scalar(query.order_by(WebhookDelivery.id.desc()).limit(1))
