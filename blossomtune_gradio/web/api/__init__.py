"""REST under `/api/v1`: everything the page can do, for programs with a bearer token.

A FastAPI of its own, mounted before the pages: its errors are problem+json, its OpenAPI document is
`/api/v1/openapi.json`. Surprise: the session cookie opens nothing here. Only the Authorization
header does, which no other web site can make a browser send.
"""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from blossomtune_gradio import __version__
from blossomtune_gradio.application import Application
from blossomtune_gradio.web.api import (
    accounts,
    alerts,
    apps,
    audit,
    federation,
    logs,
    requests,
    runs,
    tokens,
)
from blossomtune_gradio.web.api.caller import Caller, bearer
from blossomtune_gradio.web.api.models import Problem
from blossomtune_gradio.web.problems import MEDIA_TYPE, answer_all_with_problems

PREFIX = "/api/v1"
_ABOUT = (
    "Everything the page can do. Make a token with `blossomtune token create` and send it as "
    "`Authorization: Bearer …`. Errors are problem+json with a sentence that says what to do."
)
_WHY = {
    401: "No token, or not a good one",
    403: "The token's role may not do this",
    404: "It does not exist",
    405: "Another method is meant",
    409: "Not possible at this moment",
    413: "The body is too big",
    422: "The request cannot be used",
    507: "The server cannot write its database",
    502: "Flower answered something unexpected",
    503: "Flower does not answer",
}
ROUTERS = (apps, runs, alerts, accounts, federation, requests, logs, audit, tokens)


def rest_api(app: Application) -> ASGIApp:
    """The whole interface, to be mounted under `PREFIX`."""
    problems: dict[int | str, dict[str, Any]] = {
        status: {
            "description": text,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, text in _WHY.items()
    }
    api = FastAPI(
        title="BlossomTune",
        version=__version__,
        description=_ABOUT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=problems,
        servers=[{"url": PREFIX}],
        root_path_in_servers=False,
        dependencies=[Depends(bearer)],
    )
    answer_all_with_problems(api)
    caller = Caller(app.tokens, app.refusals)
    for group in ROUTERS:
        api.include_router(group.router(app, caller))
    _add_document(api, caller)
    return api


def _add_document(api: FastAPI, caller: Caller) -> None:
    @api.get("/openapi.json", include_in_schema=False)
    def document(request: Request) -> JSONResponse:
        caller.anybody_with_a_token(request)
        return JSONResponse(openapi(api))


def openapi(api: FastAPI) -> dict[str, Any]:
    """The document, with the schema every error follows."""
    made = api.openapi()
    made["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
    return made
