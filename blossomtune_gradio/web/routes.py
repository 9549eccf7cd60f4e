"""Our own HTTP routes: liveness, the join request of a site, the download of a kit.

Errors of ours become problem+json (RFC 9457) with the same sentence the page would show.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from blossomtune_gradio.application import Application
from blossomtune_gradio.web.login import current_user
from blossomtune_gradio.web.problems import answer_with_problems


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

    return router


def bare_api() -> FastAPI:
    """A FastAPI without any page of its own, which answers our errors as problem+json."""
    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    answer_with_problems(api)
    return api
