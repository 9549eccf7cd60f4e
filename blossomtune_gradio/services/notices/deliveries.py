"""The worker that takes messages to webhooks, and how one message is sent.

A message is a JSON object in a POST, signed (see `webhook_signature`). What is not taken with a 2xx
answer is tried again with growing pauses, then given up and shown. Redirects are not followed, and
the body of an answer is not read.

Each webhook has a queue of its own and one message under way at a time; nobody has more than four
under way. A call has one deadline for everything: name, connection, TLS, sending and answer.
Surprise: asking for a name cannot be broken off, so it is done in a thread that nobody waits for.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from typing import Any, TypeVar

import httpx
from sqlalchemy import func, select

from blossomtune_gradio.errors import BlossomError
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.notices.webhook_address import AddressGuard
from blossomtune_gradio.services.notices.webhook_signature import signed
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import DeliveryStatus, Webhook, WebhookDelivery, now

_log = logging.getLogger(__name__)
PAUSES = (10.0, 60.0, 300.0, 1800.0)  # seconds before the second try and so on
SECONDS = 10.0  # for one call, from the name to the answer
_EVERY = 2.0  # seconds between two looks into the queues
_STUMBLED = 60.0  # seconds a webhook rests when what became of its message cannot be written down
_CLOSE = 5.0  # seconds our thread has to end; it is a daemon
_AT_ONCE, _OF_ONE_OWNER = 64, 4  # calls
_Result = TypeVar("_Result")


class Deliveries:
    """Sends what is due."""

    def __init__(
        self,
        database: Database,
        logs: LogStore,
        guard: AddressGuard,
        pauses: Sequence[float] = PAUSES,
        seconds: float = SECONDS,
    ) -> None:
        self._database, self._logs, self._guard = database, logs, guard
        self._pauses, self._seconds = pauses, seconds
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()

    def open(self) -> None:
        """Start delivering."""
        self._thread.start()

    def close(self) -> None:
        """Stop, whatever receivers do; what is under way is sent after the next start."""
        self._ending.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(_CLOSE)

    def wake(self) -> None:
        """There is something new in a queue."""
        with suppress(RuntimeError):  # the loop has ended already
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._news.set)

    def deliver_due(self) -> int:
        """Try the oldest due message of each webhook now; their number. For tests."""
        due = self._due(())

        async def all_of_them() -> None:
            await asyncio.gather(*(self._deliver(*pair) for pair in due))

        asyncio.run(all_of_them())
        return len(due)

    # -- the thread ------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.run(self._serve())  # what is still under way at the end is cancelled

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        busy: dict[int, tuple[str, asyncio.Task[None]]] = {}  # webhook -> owner, what is under way
        while not self._ending.is_set():
            busy = {hook: pair for hook, pair in busy.items() if not pair[1].done()}
            try:
                self._take_up(busy)
            except Exception:  # noqa: BLE001 - the worker must outlive any surprise
                _log.exception("Webhooks stumbled.")
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY):
                    await self._news.wait()
            self._news.clear()

    def _take_up(self, busy: dict[int, tuple[str, asyncio.Task[None]]]) -> None:
        """Begin what is due and has a place."""
        owners = Counter(owner for owner, _ in busy.values())
        for delivery, hook in self._due(busy):
            if len(busy) >= _AT_ONCE or owners[hook.owner] >= _OF_ONE_OWNER:
                continue
            task = asyncio.create_task(self._deliver(delivery, hook))
            task.add_done_callback(lambda _: self._news.set())
            busy[hook.id] = hook.owner, task
            owners[hook.owner] += 1

    def _due(self, busy: Collection[int]) -> list[tuple[WebhookDelivery, Webhook]]:
        """The oldest message of each webhook that has one and is not busy."""
        waits = WebhookDelivery.status_word == DeliveryStatus.QUEUED.value
        at = WebhookDelivery.next_try_at
        oldest = (
            select(func.min(WebhookDelivery.id))
            .where(waits, at.is_(None) | (at <= now()), WebhookDelivery.webhook_id.not_in(busy))
            .group_by(WebhookDelivery.webhook_id)
        )
        query = (
            select(WebhookDelivery, Webhook)
            .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
            .where(WebhookDelivery.id.in_(oldest))
            .order_by(WebhookDelivery.id)
        )
        with self._database.read() as session:
            return [(delivery, hook) for delivery, hook in session.execute(query)]

    async def _deliver(self, delivery: WebhookDelivery, hook: Webhook) -> None:
        error = await self._sent(delivery, hook)
        try:
            self._note(delivery.id, error)
            if error:
                _log.warning("Webhook %d: %s", hook.id, error)
        except Exception:  # noqa: BLE001 - a full disk must not make us send for ever
            _log.exception("What became of a message to webhook %d is not written down.", hook.id)
            await asyncio.sleep(_STUMBLED)

    def _note(self, delivery_id: int, error: str) -> None:
        with self._database.write() as session:
            row = session.get(WebhookDelivery, delivery_id)
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

    # -- one message -----------------------------------------------------------------------

    async def _sent(self, delivery: WebhookDelivery, hook: Webhook) -> str:
        """Why it could not be delivered, as a sentence, or ""."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._send(delivery, hook)
        except TimeoutError:
            return f"It gave no answer within {self._seconds:g} seconds."
        except BlossomError as error:
            return str(error)
        except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
            return f"It could not be reached: {error or type(error).__name__}."

    async def _send(self, delivery: WebhookDelivery, hook: Webhook) -> str:
        body = json.dumps(
            {"id": delivery.id, "event": delivery.event, **delivery.payload}, ensure_ascii=False
        ).encode()
        target = await _aside(lambda: self._guard.target(hook.url))
        headers = {
            "Host": target.host_header,
            "Content-Type": "application/json",
            "User-Agent": "BlossomTune",
            "X-BlossomTune-Event": delivery.event,
            "X-BlossomTune-Delivery": str(delivery.id),
            **signed(hook.secret, delivery.id, body, now()),
        }
        async with (
            httpx.AsyncClient(verify=self._tls, timeout=self._seconds, trust_env=False) as client,
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

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context(trust_env=False)


async def _aside(work: Callable[[], _Result]) -> _Result:
    """What `work` gives, from a thread that does not keep us when it is late."""
    loop = asyncio.get_running_loop()
    coming: asyncio.Future[_Result] = loop.create_future()

    def settle(give: Callable[[Any], None], result: Any) -> None:
        if not coming.done():
            give(result)

    def run() -> None:
        try:
            done: tuple[Callable[[Any], None], Any] = coming.set_result, work()
        except Exception as error:  # noqa: BLE001 - it is raised where it is awaited
            done = coming.set_exception, error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, *done)

    threading.Thread(target=run, name="webhook-name", daemon=True).start()
    return await coming
