"""The card that starts and stops the SuperLink."""

from __future__ import annotations

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.services.runs.asking import stake
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.outcome import Said, outcome
from blossomtune_gradio.ui.parts import part


def build_superlink(app: Application, guard: Guard) -> None:
    @guard.server_function(Role.ADMIN)
    def stakes(asked: object, user: User) -> dict[str, str]:  # noqa: ARG001 - nothing is asked
        runs = [(run, app.history.sites(run.id, user)) for run in app.runs.active(user)]
        return {"text": stake.of_superlink(runs)}

    panel = part(
        "superlink", "superlink", readers=(stakes,), triggers=("start", "stop"), role=Role.ADMIN
    )

    @guard(Role.ADMIN)
    def on_start(user: User) -> Said:
        def start() -> str:
            app.federation.start(user)
            return "The SuperLink is running."

        return outcome(start)

    @guard(Role.ADMIN)
    def on_stop(user: User) -> Said:
        def stop() -> str:
            app.federation.stop(user)
            return "The SuperLink is stopped."

        return outcome(stop)

    panel.start(on_start, None, panel, api_visibility="private", show_progress="hidden")
    panel.stop(on_stop, None, panel, api_visibility="private", show_progress="hidden")
