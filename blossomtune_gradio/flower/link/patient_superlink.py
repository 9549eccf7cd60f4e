"""`flower-superlink`, which says "later" where flwr 1.42 says "broken": its database is busy.

While another program locks the file, or the disk is full, flwr 1.42 answers 500. Nobody repeats
that: a SuperNode's heartbeat ends for good, `flower-superexec` dies and with it every ServerApp,
a reply is lost. All of them repeat what was answered with 503. So here such an error is a 503; its
transaction was rolled back, so nothing is done twice. And an object that could not be stored, which
flwr reports as one that nobody awaits, is asked for again as long as somebody does.

Limit: it replaces two functions of flwr that are not public. Where they are gone, it is the plain
program. Surprise: sentences of ours in the SuperLink's log say "the database cannot be used".
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Awaitable, Callable
from logging import WARNING
from typing import Any

from flwr.supercore import log
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

RETRY_SECONDS = 2
_Next = Callable[[Request], Awaitable[Response]]
_Translate = Callable[[Request, _Next], Awaitable[Response]]


class NotStored(Exception):
    """An object is still awaited, but could not be written."""


def patient(translate: _Translate) -> _Translate:
    """The middleware that makes errors into answers, which sees no trouble of the database."""

    async def answer(request: Request, call_next: _Next) -> Response:
        async def call(request: Request) -> Response:
            try:
                return await call_next(request)
            except OperationalError as error:
                return _later(request, str(error.orig))
            except NotStored:
                return _later(request, "an object could not be stored, see above")

        return await translate(request, call)

    return answer


def store_again(store: Callable[..., bool], pending: Any) -> Callable[..., bool]:
    """`store_object` that tells an object nobody awaits from one that could not be written."""

    @functools.wraps(store)
    def stored(
        self: Any, run_id: int, session_id: str, object_id: str, object_content: bytes
    ) -> bool:
        if store(self, run_id, session_id, object_id, object_content):
            return True
        awaited = select(pending.session_id).where(
            pending.session_id == session_id, pending.object_id == object_id
        )
        with self.session() as session:
            if session.scalar(awaited) is not None:
                raise NotStored
        return False

    return stored


def main() -> None:
    """Run `flower-superlink` with the arguments of this process."""
    from flwr.supercore.corestate import sql_corestate
    from flwr.superlink import main as superlink
    from flwr.superlink.cli import flower_superlink

    state: Any = getattr(sql_corestate, "SqlCoreState", None)
    pending = getattr(sql_corestate, "ObjectPushSessionPendingModel", None)
    if hasattr(superlink, "http_error_translator"):
        superlink.http_error_translator = patient(superlink.http_error_translator)
        if pending is not None and hasattr(state, "store_object"):
            state.store_object = store_again(state.store_object, pending)
    sys.argv[0] = "flower-superlink"
    flower_superlink()


def _later(request: Request, why: str) -> Response:
    log(WARNING, "[%s] The database cannot be used now: %s", request.url.path, why)
    sentence = f"The SuperLink's database cannot be used now ({why}). Try again in a moment."
    return JSONResponse({"detail": sentence}, 503, {"Retry-After": str(RETRY_SECONDS)})


if __name__ == "__main__":
    main()
