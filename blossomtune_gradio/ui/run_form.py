"""The form that deploys a run. It shows the app's own defaults and passes on only what differs.

Surprise: the idempotency key travels with the form itself, not in the session: two clicks on the
same filled-in form carry the same key, so they make one run, whatever the order they arrive in.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import gradio as gr
import tomli_w

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import BlossomError, InvalidInput
from blossomtune_gradio.flower.app_config import parse_config_text
from blossomtune_gradio.flower.apps import FlowerApp
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.ui.components import part
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.outcome import Said, outcome, said


def build_run_form(app: Application, guard: Guard) -> None:
    """Draw the form into the current column."""
    choice = gr.Dropdown(
        choices=_choices(_apps(app)),
        label="App",
        value=None,
        filterable=False,
        interactive=True,
        elem_id="run-app",
    )
    faults = part("notice", elem_id="app-findings")
    with gr.Row():
        name = gr.Textbox(
            label="Name", placeholder="app and time", max_length=64, elem_id="run-new-name"
        )
        partitions = gr.Number(
            app.options.partitions(),
            label="Partitions",
            precision=0,
            minimum=1,
            elem_id="run-partitions",
        )
    config = gr.Textbox(
        label="Run configuration",
        info="The app's own values. Change what should differ, one key = value in a line.",
        lines=8,
        max_lines=20,
        elem_id="run-config",
    )
    key = gr.Textbox(visible="hidden", elem_id="run-key", show_label=False)
    button = gr.Button("Deploy run", variant="primary", elem_id="run-deploy")
    result = part("notice", elem_id="run-said")

    @guard(Role.RESEARCHER, quiet=True)
    def on_load(user: User) -> list[Any]:  # noqa: ARG001 - the guard has asked who it is
        return [*_first_choice(app), app.options.partitions(), _new_key()]

    @guard(Role.RESEARCHER)
    def on_focus() -> Any:
        return gr.Dropdown(choices=_choices(_apps(app)))  # no value: a choice may overtake it

    @guard(Role.RESEARCHER)
    def on_choice(chosen: str | None) -> list[Any]:
        return _shown(app.apps.get(chosen)) if chosen else [[], ""]

    @guard(Role.RESEARCHER)
    def on_deploy(
        chosen: str | None, name: str, partitions: int | None, text: str, key: str, user: User
    ) -> list[Any]:
        told = outcome(lambda: _deploy(app, user, chosen, name, partitions, text, key))
        return [[told], _new_key() if told["tone"] == "good" else key]

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    gr.on(None, on_load, None, [choice, faults, config, partitions, key], **quiet)
    choice.focus(on_focus, None, choice, **quiet)
    choice.input(on_choice, choice, [faults, config], **quiet)
    inputs = [choice, name, partitions, config, key]
    button.click(
        on_deploy,
        inputs,
        [result, key],
        show_progress="hidden",
        api_visibility="private",
    )


def _deploy(
    app: Application,
    user: User,
    chosen: str | None,
    name: str,
    partitions: int | None,
    text: str,
    key: str,
) -> str:
    if not chosen:
        raise InvalidInput("Choose an app first.")
    picked = app.apps.get(chosen)
    changed = _differences(parse_config_text(text), picked.config)
    run = app.runs.start(
        picked.name, user, name=name, config=changed, partitions=partitions, key=key or None
    )
    return f"{run.name} is queued. The Live page shows how it goes."


def _differences(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What is not the default. 1, 1.0 and true are three different values."""
    return {
        key: value
        for key, value in given.items()
        if key not in defaults or (type(value), value) != (type(defaults[key]), defaults[key])
    }


def _first_choice(app: Application) -> list[Any]:
    """Updates of dropdown, findings and configuration for a fresh page."""
    try:
        apps = app.apps.apps()
    except BlossomError as error:
        return [gr.Dropdown(choices=[], value=None), [said("bad", str(error))], ""]
    if not apps:
        none = f"There is no Flower app yet. Put one into {app.apps.folder}, a folder for each."
        return [gr.Dropdown(choices=[], value=None), [said("busy", none)], ""]
    first = next((one for one in apps if one.runnable), apps[0])
    return [gr.Dropdown(choices=_choices(apps), value=first.name), *_shown(first)]


def _shown(app: FlowerApp) -> list[Any]:
    """Findings and configuration of an app."""
    return [[_finding(finding.level, finding.sentence) for finding in app.findings], _text(app)]


def _finding(level: str, sentence: str) -> Said:
    return said("bad" if level == "error" else "busy", sentence)


def _text(app: FlowerApp) -> str:
    return tomli_w.dumps(app.config).rstrip()


def _apps(app: Application) -> list[FlowerApp]:
    try:
        return app.apps.apps()
    except BlossomError:  # the form says so in a sentence as soon as it is loaded
        return []


def _choices(apps: list[FlowerApp]) -> list[tuple[str, str]]:
    return [(a.name if a.runnable else f"{a.name} (cannot run)", a.name) for a in apps]


def _new_key() -> str:
    return secrets.token_urlsafe(16)
