"""Log lines with a cursor: ask, show, ask again with the cursor of the answer."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi import Path as InPath

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import NotFound
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.views.run_parts import LineView, LogPage
from blossomtune_gradio.web.api.caller import Caller
from blossomtune_gradio.web.api.models import Limit

After = Annotated[
    int | None,
    Query(ge=0, le=2**53, description="The cursor of the answer before; without: the newest lines"),
]
Source = Annotated[str, InPath(pattern=r"^[a-z0-9._-]{1,64}$", examples=["superlink"])]


def router(app: Application, caller: Caller) -> APIRouter:
    """`/logs`."""
    made = APIRouter(tags=["logs"])
    by = Annotated[User, Depends(caller)]

    @made.get("/logs", summary="Names of all logs")
    def sources(user: by) -> list[str]:
        require(user, Role.RESEARCHER, "read the logs")
        return app.logs.sources()

    @made.get("/logs/{source}", summary="Lines of one log from a cursor on")
    def log(source: Source, user: by, after: After = None, limit: Limit = 500) -> LogPage:
        require(user, Role.RESEARCHER, "read the logs")
        if source not in app.logs.sources():
            raise NotFound("There is no log of that name; /api/v1/logs lists them.")
        return log_page(app, source, after, limit)

    return made


def log_page(app: Application, source: str, after: int | None, limit: int) -> LogPage:
    """Lines after the cursor, or the newest ones; a log that is not there yet is empty."""
    cursor = {} if after is None else {source: after}
    page = app.logs.since(cursor, [source], limit=limit, tail=limit)
    lines = [LineView.of(line) for line in page.lines]
    return LogPage(lines=lines, cursor=page.cursor.get(source, after or 0), more=page.more)
