"""`blossomtune app …`: what is in the folder of Flower apps, what is wrong with it, a new one.

`check` and `new` work on a folder of this machine and need no server.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import config
from blossomtune_gradio.cli.client import Client, add_server
from blossomtune_gradio.cli.local import add_json
from blossomtune_gradio.cli.output import Commands, show, table
from blossomtune_gradio.errors import NotFound

if TYPE_CHECKING:
    from blossomtune_gradio.flower.apps.catalogue import FlowerApp


def add_to(commands: Commands) -> None:
    """`app list|check|new`."""
    group = commands.add_parser("app", help="list, check or make Flower apps")
    verbs = group.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="the apps of the server")
    listing.set_defaults(run=_list)
    add_server(listing)
    check = verbs.add_parser("check", help="what is wrong with an app; nothing of it is run")
    check.set_defaults(run=_check)
    check.add_argument("folder", type=Path, help="the app's folder")
    new = verbs.add_parser("new", help="an app that works, to be changed")
    new.set_defaults(run=_new)
    new.add_argument("name", help="letters, digits and hyphens")
    new.add_argument("--title", default="", help="for people")
    new.add_argument("--folder", type=Path, help="where (flower_apps)")
    for command in (check, new):
        add_json(command)


def _list(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        apps = server.get("/apps")
    rows = [{**app, "findings": len(app["findings"])} for app in apps]
    columns = ("name", "version", "runnable", "findings", "description")
    show(arguments, apps, table(rows, *columns, nothing="No app is in the folder."))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    """0: it can run; 1: it cannot."""
    from blossomtune_gradio.flower.apps.catalogue import read_app
    from blossomtune_gradio.flower.apps.installed import Installed

    folder = arguments.folder.expanduser().absolute()
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}. Name the folder of a Flower app.")
    app = read_app(folder, folder.parent, Installed(sys.path))  # as `flwr run` here would
    lines = [f"{finding.level.upper():<8} {finding.sentence}" for finding in app.findings]
    last = "It can run." if app.runnable else "It cannot run before the errors are gone."
    show(arguments, _document(app), [*lines, f"{app.title} {app.version}: {last}"])
    return 0 if app.runnable else 1


def _new(arguments: argparse.Namespace) -> int:
    from blossomtune_gradio.flower.apps.template import new_app

    folder = arguments.folder or config.load().flower_apps_dir
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}. Make it first.")
    path = new_app(folder.absolute(), arguments.name, arguments.title)
    show(arguments, {"folder": str(path)}, [f"{path} is ready. Its README says what to change."])
    return 0


def _document(app: FlowerApp) -> dict[str, Any]:
    return {
        "name": app.name,
        "runnable": app.runnable,
        "bundle_hash": app.bundle_hash,
        "config": dict(app.config),
        "findings": [{"level": f.level, "sentence": f.sentence} for f in app.findings],
    }
