"""Errors as problem+json (RFC 9457), with the same sentence the page would show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from blossomtune_gradio.errors import BlossomError

MEDIA_TYPE = "application/problem+json"
_SENTENCES = {
    404: "There is nothing under this address. The list of addresses is /api/v1/openapi.json.",
    422: "The body cannot be read. Send JSON in UTF-8.",
    405: "This address does not know that method. See /api/v1/openapi.json.",
}


def problem(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that tells what is wrong and what to do."""
    told = {"title": HTTPStatus(status).phrase, "detail": sentence, "status": status}
    more = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return Response(
        json.dumps(told),  # ASCII only: what was sent to us may be no text at all
        status_code=status,
        media_type=MEDIA_TYPE,
        headers={**more, **(headers or {})},
    )


def answer_with_problems(api: FastAPI) -> None:
    """Our errors and requests that cannot be read."""

    @api.exception_handler(BlossomError)
    def expected(_: Request, error: BlossomError) -> Response:
        return problem(error.status, str(error))

    @api.exception_handler(RequestValidationError)
    def malformed(_: Request, error: RequestValidationError) -> Response:
        return problem(422, f"The request cannot be read. Check: {_places(error.errors())}.")


def answer_all_with_problems(api: FastAPI) -> None:
    """The same, and what the framework itself refuses: unknown addresses, wrong methods."""
    answer_with_problems(api)

    @api.exception_handler(HTTPException)
    def refused(_: Request, error: HTTPException) -> Response:
        status = 422 if error.status_code == 400 else error.status_code  # a body like no other
        return problem(status, _SENTENCES.get(status, f"{error.detail}."), error.headers)


def _places(errors: Any) -> str:
    places = (".".join(str(p)[:60] for p in e["loc"][1:]) or "body" for e in errors)
    return ", ".join(sorted(set(places)))[:500]
