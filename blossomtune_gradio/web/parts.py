"""Scripts and style of the page's parts: `GET /parts/<digest>/<name>`, kept by browsers for good.

Only files that the carrier holds in memory are answered with; a digest of another version is 404,
as those files are not there any more.
"""

from __future__ import annotations

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from blossomtune_gradio.ui.parts.carrier import carrier

_TYPES = {"js": "text/javascript", "css": "text/css"}
_FOR_GOOD = "public, max-age=31536000, immutable"


def parts_router() -> APIRouter:
    """The one route."""
    router, carried = APIRouter(include_in_schema=False), carrier()

    @router.get("/parts/{digest}/{name:path}")
    async def file(digest: str, name: str) -> Response:
        content = carried.files.get(name) if digest == carried.digest else None
        if content is None:
            raise HTTPException(404)
        kind = _TYPES[name.rpartition(".")[2]]
        return Response(content, media_type=kind, headers={"Cache-Control": _FOR_GOOD})

    return router
