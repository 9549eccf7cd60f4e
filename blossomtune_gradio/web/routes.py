"""Our own HTTP routes: liveness, the join request of a site, the download of a kit.

Errors of ours become problem+json (RFC 9457) with the same sentence the page would show.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import BlossomError
from blossomtune_gradio.identity import Role, require
from blossomtune_gradio.services.run_book import source_of
from blossomtune_gradio.web.login import current_user


class JoinRequest(BaseModel):
    """What `join.py` hands in."""

    token: str = Field(min_length=1, max_length=200)
    public_key: str = Field(min_length=1, max_length=4000)


def join_router(app: Application) -> APIRouter:
    """`POST /api/v1/join`, for the page's port and for the fleet listener."""
    router = APIRouter()

    @router.post("/api/v1/join")
    def join(request: JoinRequest) -> dict[str, Any]:
        return asdict(app.kits.join(request.token, request.public_key))

    return router


def page_router(app: Application) -> APIRouter:
    """What belongs to the page's port only."""
    router = APIRouter()

    @router.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok", "superlink": app.federation.superlink.state.value}

    @router.get("/download/kit/{participant_id}")
    def kit(participant_id: int, request: Request) -> Response:
        user = current_user(request)
        site = app.participants.get(participant_id, user).site
        name = re.sub(r"[^A-Za-z0-9]+", "-", site).strip("-").lower() or "site"
        return Response(
            app.kits.make(participant_id, by=user),
            media_type="application/zip",
            headers={
                "Content-Disposition": f'attachment; filename="blossomtune-{name}.zip"',
                "Cache-Control": "no-store",
            },
        )

    @router.get("/download/run/{run_id}/log")
    def run_log(run_id: int, request: Request) -> Response:
        user = current_user(request)
        require(user, Role.RESEARCHER, "download the log of a run")
        run = app.runs.get(run_id, user)
        name = re.sub(r"[^A-Za-z0-9]+", "-", run.name).strip("-").lower() or "run"
        headers = {
            "Content-Disposition": f'attachment; filename="run-{run_id}-{name}.log"',
            "Cache-Control": "no-store",
        }
        lines = app.logs.all_lines(source_of(run_id))
        return StreamingResponse(lines, media_type="text/plain; charset=utf-8", headers=headers)

    return router


def bare_api() -> FastAPI:
    """A FastAPI without any page of its own, which answers our errors as problem+json."""
    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @api.exception_handler(BlossomError)
    def expected(_: Request, error: BlossomError) -> JSONResponse:
        return _problem(error.status, str(error))

    @api.exception_handler(RequestValidationError)
    def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        where = ", ".join(".".join(str(p) for p in e["loc"][1:]) or "body" for e in error.errors())
        return _problem(422, f"The request cannot be read. Check: {where}.")

    return api


def _problem(status: int, sentence: str) -> JSONResponse:
    return JSONResponse(
        {"title": HTTPStatus(status).phrase, "detail": sentence, "status": status},
        status_code=status,
        media_type="application/problem+json",
    )
