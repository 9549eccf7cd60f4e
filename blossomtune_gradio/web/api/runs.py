"""Runs: queue, list, look, stop; their log, numbers and timeline."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import NotPossible
from blossomtune_gradio.identity import User
from blossomtune_gradio.services.runs.asking.history import RunFilter
from blossomtune_gradio.services.runs.limits import RunLimits
from blossomtune_gradio.store.models import Run
from blossomtune_gradio.views.run import RunList, RunView, StartedRun
from blossomtune_gradio.views.run_parts import EventView, FileList, LogPage, MetricView, RunSiteView
from blossomtune_gradio.web.api.caller import Caller
from blossomtune_gradio.web.api.logs import After, log_page
from blossomtune_gradio.web.api.models import Deleted, Id, Limit, Marks, Move, NewRun, Word
from blossomtune_gradio.web.downloads import result_file

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same key never makes two runs: send it again after a lost answer",
    ),
]
_Status = Literal[
    "open", "queued", "submitted", "running", "completed", "failed", "stopped", "lost"
]


def router(app: Application, caller: Caller) -> APIRouter:
    """`/runs`."""
    made = APIRouter(tags=["runs"], dependencies=[Depends(caller.researcher)])
    by = Annotated[User, Depends(caller.researcher)]  # the same as above: looked up once

    def view(run: Run, user: User) -> RunView:
        return RunView.of(run, why=app.runs.why(run, user))

    @made.post("/runs", status_code=201, summary="Queue a run")
    def start(body: NewRun, user: by, key: Key = None) -> StartedRun:
        run = app.runs.start(
            body.app,
            user,
            name=body.name,
            config=body.config,
            partitions=body.partitions,
            key=f"{user.id} {key}" if key else None,
            limits=RunLimits(
                min_sites=body.min_sites,
                quorum_seconds=body.quorum_seconds,
                on_quorum=body.on_quorum,
                round_seconds=body.round_seconds,
            ),
            tags=body.tags,
        )
        if run.app != body.app or (body.name and run.name != " ".join(body.name.split())):
            raise NotPossible(f"This Idempotency-Key made the run {run.name}. Use another key.")
        lacking = app.site_lacks.of(app.apps.get(run.app), user)
        return StartedRun.of(run, why=app.runs.why(run, user), lacking=lacking)

    @made.get("/runs", summary="Pinned runs first, then the newest")
    def runs(
        user: by,
        status: Annotated[_Status | None, Query(description="open: not ended yet")] = None,
        app_name: Annotated[str, Query(alias="app", max_length=200)] = "",
        tag: Word = "",
        text: Word = "",
        pinned: bool = False,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
        limit: Limit = 50,
    ) -> RunList:
        wanted = RunFilter(text=text, status=status or "", app=app_name, tag=tag, pinned=pinned)
        found, total = app.history.search(wanted, user, offset, limit)
        return RunList(runs=[view(run, user) for run in found], total=total)

    @made.get("/runs/{run_id}", summary="One run")
    def one(run_id: Id, user: by) -> RunView:
        return view(app.runs.get(run_id, user), user)

    @made.post("/runs/{run_id}/stop", summary="End a run")
    def stop(run_id: Id, user: by) -> RunView:
        return view(app.runs.stop(run_id, user), user)

    @made.post("/runs/{run_id}/move", summary="Change its place in the queue")
    def move(run_id: Id, body: Move, user: by) -> RunView:
        return view(app.runs.move(run_id, body.direction, user), user)

    @made.patch("/runs/{run_id}", summary="Change note, tags or pin")
    def mark(run_id: Id, body: Marks, user: by) -> RunView:
        run = app.history.mark(run_id, user, note=body.note, tags=body.tags, pinned=body.pinned)
        return view(run, user)

    @made.delete("/runs/{run_id}", summary="Delete an ended run with its log and numbers")
    def delete(run_id: Id, user: by) -> Deleted:
        return Deleted(deleted=app.history.delete(run_id, user))

    @made.get("/runs/{run_id}/sites", summary="What each site did in it")
    def sites(run_id: Id, user: by) -> list[RunSiteView]:
        run = app.runs.get(run_id, user)
        return [RunSiteView.of(row) for row in app.history.sites(run.id, user)]

    @made.get("/runs/{run_id}/log", summary="Its log from a cursor on")
    def log(run_id: Id, user: by, after: After = None, limit: Limit = 500) -> LogPage:
        run = app.runs.get(run_id, user)
        return log_page(app, f"run-{run.id}", after, limit)

    @made.get("/runs/{run_id}/metrics", summary="Its numbers per round and site")
    def metrics(run_id: Id, user: by) -> list[MetricView]:
        run = app.runs.get(run_id, user)
        return [MetricView.of(value) for value in app.metrics.values(run.id, user)]

    @made.get("/runs/{run_id}/events", summary="Its timeline, oldest first")
    def events(run_id: Id, user: by) -> list[EventView]:
        run = app.runs.get(run_id, user)
        return [EventView.of(event) for event in app.history.events(run.id, user)]

    @made.get("/runs/{run_id}/files", summary="The files its ServerApp left behind")
    def files(run_id: Id, user: by) -> FileList:
        return FileList.of(app.results.of(run_id, user))

    @made.get(
        "/runs/{run_id}/files/{name:path}",
        summary="One of them",
        response_class=StreamingResponse,
        responses={200: {"content": {"application/octet-stream": {}}}},
    )
    def file(run_id: Id, name: str, user: by) -> StreamingResponse:
        return result_file(app, run_id, name, user)

    return made
