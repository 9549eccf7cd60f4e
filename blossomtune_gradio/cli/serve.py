"""`blossomtune serve` and `blossomtune demo`: what runs until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import config
from blossomtune_gradio.cli.output import Commands
from blossomtune_gradio.settings import Settings

if TYPE_CHECKING:  # it is imported once the environment is prepared
    from blossomtune_gradio.application import Application

DEMO_DIR = Path("data") / "demo"


def add_to(commands: Commands) -> None:
    """`serve` and `demo`."""
    serve = commands.add_parser("serve", help="serve the web page until Ctrl-C")
    serve.set_defaults(run=_serve)
    demo = commands.add_parser("demo", help="a whole federation on this machine, seen live")
    demo.set_defaults(run=_demo)
    for command in (serve, demo):
        command.add_argument("--port", type=int, help="port of the web page (7860)")
        command.add_argument("--data-dir", type=Path, help="folder for everything that is kept")
    demo.add_argument("--data", default="auto", help="auto, hub, sample or a folder of parquet")
    demo.add_argument("--model", default="auto", help="auto, a hub id or a folder")
    demo.add_argument("--rounds", type=int, default=3, help="federated rounds (3)")
    demo.add_argument("--sites", type=int, default=2, help="local sites (2)")
    demo.add_argument("--exit", action="store_true", help="end when the run has ended")
    demo.add_argument("--install-seconds", type=float, default=0.0, help=argparse.SUPPRESS)


def _serve(arguments: argparse.Namespace) -> int:
    settings = config.load(port=arguments.port, data_dir=arguments.data_dir)
    told = _prepared(settings)
    with config.loading():
        from blossomtune_gradio.application import Application
        from blossomtune_gradio.web.server import WebServer

    ending = _ending()
    app = Application(settings, config.search_path(), config.app_environment(settings))
    app.logs.append("blossomtune", [f"WARNING: {sentence}" for sentence in told])
    try:
        with WebServer(app) as server:
            print(f"BlossomTune is at {server.url}. {_who_may(settings)}")
            for line in _where_sites_join(app):
                print(line)
            print("Press Ctrl-C to end everything.", flush=True)
            app.open()
            app.tokens.hand_out_locally(settings.data_dir, server.url)
            ending.wait()
            print("Ending the SuperLink and everything else …", flush=True)
    finally:
        app.tokens.take_back_locally(settings.data_dir)
        app.close()
    return 0


def _prepared(settings: Settings) -> list[str]:
    """Make the process a server's; what was left out of its environment, told here already."""
    if any(option.startswith("error") for option in sys.warnoptions):
        warnings.simplefilter("default")  # what libraries warn of must not end a server
    told = config.prepare_environment(settings)
    for sentence in told:
        print(sentence, file=sys.stderr)
    return told


def _where_sites_join(app: Application) -> Iterator[str]:
    yield app.entrances.sentence
    if note := app.entrances.note:
        yield note
    for warning in app.entrances.warnings:
        yield f"WARNING: {warning}"


def _who_may(settings: Settings) -> str:
    if settings.is_local:
        return "Local mode: everybody here is admin."
    if not settings.admins:
        return "Nobody is admin yet: set BLOSSOMTUNE_ADMINS, for example to hf:your-name."
    return f"People sign in with {' or '.join(p.label for p in settings.providers)}."


def _demo(arguments: argparse.Namespace) -> int:
    settings = config.load(
        instead={"data_dir": DEMO_DIR}, port=arguments.port, data_dir=arguments.data_dir
    )
    _prepared(settings)
    with config.loading():
        from blossomtune_gradio.demo.show import Show, Wishes
        from blossomtune_gradio.demo.view import DemoView

    wishes = Wishes(
        data=arguments.data,
        model=arguments.model,
        rounds=arguments.rounds,
        sites=arguments.sites,
        exit=arguments.exit,
        install_seconds=arguments.install_seconds,
    )
    show = Show(
        settings,
        wishes,
        DemoView(),
        config.search_path(),
        config.app_environment(settings),
        _ending(),
    )
    return show.play()


def _ending() -> threading.Event:
    """Set by Ctrl-C, by `kill`, and when the terminal is closed."""
    ending = threading.Event()
    for wanted in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(wanted, lambda *_: ending.set())
    return ending
