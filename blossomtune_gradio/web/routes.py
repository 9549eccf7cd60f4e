"""Our own HTTP routes: liveness, and what a site hands in and tells.

Errors of ours become problem+json (RFC 9457) with the same sentence the page would show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from blossomtune_gradio.application import Application
from blossomtune_gradio.background import LoopCount
from blossomtune_gradio.errors import BlossomError, InvalidInput, SettingsError
from blossomtune_gradio.identity import STRANGER
from blossomtune_gradio.services.sites.reports import Report
from blossomtune_gradio.web.gateway import JOIN_PATH, REPORT_PATH
from blossomtune_gradio.web.problems import answer_with_problems


class JoinRequest(BaseModel):
    """What `join.py` hands in; with `check` it only asks whether it would be taken."""

    model_config = ConfigDict(strict=True)

    token: str = Field(min_length=1, max_length=200)
    public_key: str = Field("", max_length=4000)
    proof: str = Field("", max_length=1000)
    check: bool = False


class ReportRequest(Report):
    """What `join.py` tells of its machine."""

    token: str = Field(min_length=1, max_length=200)


_Body = TypeVar("_Body", bound=BaseModel)


def join_router(app: Application, *, by_page: bool) -> APIRouter:
    """`POST /api/v1/join` and its `/report`, for the page's port or for the fleet listener."""
    router = APIRouter()

    @router.post(JOIN_PATH)
    async def join(request: Request) -> dict[str, Any]:
        asked = await _read(request, JoinRequest)
        if asked.check:
            welcome = await run_in_threadpool(app.kits.check, asked.token, asked.public_key)
            return {**asdict(welcome), "apps": await run_in_threadpool(_apps, app)}
        address = request.client.host if request.client else ""
        came_by = app.entrances.page if by_page else app.entrances.fleet
        try:
            answer = await run_in_threadpool(
                app.kits.join, asked.token, asked.public_key, asked.proof, address, came_by
            )
        except BlossomError as error:
            by = replace(STRANGER, address=address)
            app.refusals.note("kit.refused", by, str(error), "kit:join")
            raise
        rest = None
        if answer.node_id is not None:
            rest = await run_in_threadpool(app.sites.rest_of_session, answer.node_id)
        if rest is None:  # the SuperLink does not answer: the site asks again
            return {**asdict(answer), "registered": False, "wait_seconds": 0.0}
        apps = await run_in_threadpool(_apps, app)
        return {**asdict(answer), "wait_seconds": round(rest, 1), "apps": apps}

    @router.post(REPORT_PATH)
    async def report(request: Request) -> dict[str, bool]:
        told = await _read(request, ReportRequest)
        await run_in_threadpool(app.site_reports.take, told.token, told)
        return {"taken": True}

    return router


def _apps(app: Application) -> list[dict[str, Any]]:
    """What apps need of a site; a folder of apps that cannot be read keeps no site away."""
    try:
        return app.apps.asked_of_sites()
    except SettingsError:
        return []


async def _read(request: Request, shape: type[_Body]) -> _Body:
    """The body as `shape`. Strangers call this; `BodyLimit` has looked at its size."""
    try:
        return shape.model_validate_json(await request.body())
    except ValidationError as error:
        raise InvalidInput(
            f"The request cannot be read. Check: {_where(error.errors())}."
        ) from None


def page_router(app: Application) -> APIRouter:
    """What belongs to the page's port only."""
    router = APIRouter()

    @router.get("/healthz")
    def healthz() -> dict[str, Any]:
        superlink = app.superlink.status.state.value
        return {"status": "ok", "superlink": superlink, "loops": _loops(app.loops.turns())}

    return router


def _loops(all_turns: Sequence[LoopCount]) -> dict[str, dict[str, Any]]:
    """Counts and times, for anybody; what a fault says is for admins, see `/api/v1/health`."""
    return {
        turns.name: {
            "turns": turns.turns,
            "faults": turns.faults,
            "last_fault_at": turns.last_fault_at,
            "last_good_at": turns.last_good_at,
        }
        for turns in all_turns
    }


def bare_api() -> FastAPI:
    """A FastAPI without any page of its own, which answers our errors as problem+json."""
    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    answer_with_problems(api)
    return api


def _where(errors: Sequence[Any]) -> str:
    places = [".".join(str(part) for part in error["loc"]) or "body" for error in errors[:5]]
    return ", ".join(places)
