"""The queue and the history on the Runs page."""

from __future__ import annotations

from typing import Any

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.services.runs.asking.history import RunFilter
from blossomtune_gradio.ui import asked as sent
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.parts import part
from blossomtune_gradio.views.base import right_now
from blossomtune_gradio.views.run import RunRow, open_run

_PAGE = 25


def build_queue(app: Application, guard: Guard) -> None:
    """Draw what runs and waits into the current column."""

    @guard.server_function(Role.RESEARCHER)
    def queue(asked: object, user: User) -> dict[str, Any]:  # noqa: ARG001 - nothing is asked
        runs = [*((run, 0) for run in app.runs.active(user))]
        runs += [(run, place) for place, run in enumerate(app.runs.queue(user), start=1)]
        rows = [
            open_run(
                run, place, app.runs.wait(run, user), app.history.sites(run.id, user)
            ).to_json()
            for run, place in runs
        ]
        return {"rows": rows, "now": right_now(), "slots": app.settings.run_slots}

    @guard.server_function(Role.RESEARCHER)
    def halt(asked: object, user: User) -> dict[str, Any]:
        run = app.runs.stop(sent.number(asked, "id"), user)
        return {"text": f"{run.name} is {'stopped' if run.status.is_end else 'being stopped'}."}

    @guard.server_function(Role.RESEARCHER)
    def shift(asked: object, user: User) -> dict[str, Any]:
        run = app.runs.move(sent.number(asked, "id"), sent.text(asked, "direction"), user)
        return {"text": f"{run.name} moved {sent.text(asked, 'direction')}."}

    part("run_queue", elem_id="run-queue", readers=(queue, halt, shift))


def build_history(app: Application, guard: Guard) -> None:
    """Draw the list of all runs into the current column."""

    @guard.server_function(Role.RESEARCHER)
    def runs(asked: object, user: User) -> dict[str, Any]:
        offset = sent.field(asked, "offset")
        what = RunFilter(
            text=sent.text(asked, "text")[:200],
            status=sent.text(asked, "status"),
            app=sent.text(asked, "app"),
            tag=sent.text(asked, "tag"),
            pinned=sent.field(asked, "pinned") is True,
        )
        offset = max(0, offset) if type(offset) is int else 0
        found, total = app.history.search(what, user, offset, _PAGE)
        return {
            "rows": [RunRow.of(run).to_json() for run in found],
            "total": total,
            "offset": offset,
            "page": _PAGE,
            "apps": app.history.apps(user),
            "tags": app.history.tags(user),
            "now": right_now(),
        }

    part("run_history", elem_id="run-history", readers=(runs,))
