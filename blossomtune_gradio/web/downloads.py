"""Files that are made for one reader and kept nowhere: `/download/…`, streamed, `no-store`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import InvalidInput, NotFound
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.services.audit.export import MEDIA_TYPES, Format, exported
from blossomtune_gradio.services.audit.trail import AuditFilter
from blossomtune_gradio.services.runs.rows import source_of
from blossomtune_gradio.web.api.models import Id
from blossomtune_gradio.web.login import current_user


def download_router(app: Application) -> APIRouter:
    """All of them."""
    router = APIRouter(include_in_schema=False)

    @router.get("/download/audit.{form}")
    def audit(
        form: str,
        request: Request,
        actor: str = "",
        action: str = "",
        target: str = "",
        text: str = "",
        since: str = "",
        until: str = "",
    ) -> StreamingResponse:
        kind: Format = "csv" if form == "csv" else "jsonl"
        if form != kind:
            raise NotFound("The trail is exported as audit.jsonl or audit.csv.")
        wanted = AuditFilter(
            actor=actor,
            action=action,
            target=target,
            text=text,
            since=moment(since),
            until=moment(until),
        )
        # Refuses before anything is sent.
        entries = app.audit.all_entries(current_user(request), wanted)
        name = f"blossomtune-audit-{datetime.now(UTC):%Y%m%d-%H%M}.{form}"
        return attachment(exported(entries, kind), MEDIA_TYPES[kind], name)

    @router.get("/download/kit/{participant_id:int}")
    def kit(participant_id: int, request: Request) -> StreamingResponse:
        user = current_user(request)
        site = app.participants.get(participant_id, user).site
        content = app.kits.make(participant_id, by=user)
        name = f"blossomtune-{_slug(site, 'site')}.zip"
        return attachment(iter((content,)), "application/zip", name)

    @router.get("/download/run/{run_id:int}/log")
    def run_log(run_id: int, request: Request) -> StreamingResponse:
        user = current_user(request)
        require(user, Role.RESEARCHER, "download the log of a run")
        run = app.runs.get(run_id, user)
        lines = app.logs.all_lines(source_of(run_id))
        return attachment(
            lines, "text/plain; charset=utf-8", f"run-{run_id}-{_slug(run.name, 'run')}.log"
        )

    @router.get("/download/run/{run_id:int}/files/{name:path}")
    def result(run_id: Id, name: str, request: Request) -> StreamingResponse:
        return result_file(app, run_id, name, current_user(request))

    return router


def result_file(app: Application, run_id: int, name: str, by: User) -> StreamingResponse:
    """A file that a run left behind."""
    size, pieces = app.results.open(run_id, name, by)
    answer = attachment(pieces, "application/octet-stream", name.rpartition("/")[2])
    answer.headers["Content-Length"] = str(size)
    return answer


def _slug(name: str, otherwise: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or otherwise


def attachment(
    pieces: Iterator[str] | Iterator[bytes], media_type: str, name: str
) -> StreamingResponse:
    """A streamed file that no cache keeps, and no page shows."""
    simple = re.sub(r"[^A-Za-z0-9._-]", "_", name)  # for programs that cannot read the exact one
    exact = "" if simple == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    headers = {
        "Content-Disposition": f'attachment; filename="{simple}"{exact}',
        "Content-Security-Policy": "sandbox",
        "Cache-Control": "no-store",
    }
    return StreamingResponse(pieces, media_type=media_type, headers=headers)


def moment(text: str) -> datetime | None:
    """A time in UTC as ISO 8601, or None for "".

    Raises:
        InvalidInput: it is no time.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text[:40]!r} is no time. Write it like 2026-11-25T08:00.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
