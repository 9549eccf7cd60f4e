"""The audit trail: read, check, export."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.identity import User
from blossomtune_gradio.services.audit.export import MEDIA_TYPES, Format, exported
from blossomtune_gradio.services.audit.trail import AuditFilter
from blossomtune_gradio.views.audit import EntryList, VerdictView
from blossomtune_gradio.web.api.caller import Caller
from blossomtune_gradio.web.api.models import Before, Limit, Word
from blossomtune_gradio.web.downloads import attachment

_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One entry per line",
        "content": {kind: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()},
    }
}


def wanted(
    actor: Word = "",
    action: Word = "",
    target: Word = "",
    text: Word = "",
    since: Annotated[datetime | None, Query(description="First moment")] = None,
    until: Annotated[datetime | None, Query(description="First moment that is too late")] = None,
) -> AuditFilter:
    """The filter a query describes."""
    return AuditFilter(
        actor=actor,
        action=action,
        target=target,
        text=text,
        since=_utc(since),
        until=_utc(until),
    )


def router(app: Application, caller: Caller) -> APIRouter:
    """`/audit`."""
    made = APIRouter(tags=["audit"])
    by = Annotated[User, Depends(caller)]
    filters = Annotated[AuditFilter, Depends(wanted)]

    @made.get("/audit", summary="Who did what, the newest first")
    def entries(user: by, chosen: filters, before: Before = None, limit: Limit = 50) -> EntryList:
        page = app.audit.entries(user, chosen, before=before, limit=limit)
        return EntryList.of(page)

    @made.get("/audit/verify", summary="Is the trail whole?")
    def verify(user: by) -> VerdictView:
        return VerdictView.of(app.audit.verify(user, afresh=True))

    @made.get(
        "/audit/export",
        summary="All entries, oldest first",
        response_class=StreamingResponse,
        responses=_FILE,
    )
    def export(user: by, chosen: filters, format: Format = "jsonl") -> StreamingResponse:
        entries = app.audit.all_entries(user, chosen)
        return attachment(exported(entries, format), MEDIA_TYPES[format], f"audit.{format}")

    return made


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if not 1970 <= moment.year <= 9000:
        raise InvalidInput("A time must lie between the years 1970 and 9000.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
