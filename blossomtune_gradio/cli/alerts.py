"""`blossomtune preset …`, `alert …`, `webhook …`."""

from __future__ import annotations

import argparse
from pathlib import Path

from blossomtune_gradio.cli.client import Client, add_server
from blossomtune_gradio.cli.output import Commands, facts, show, table
from blossomtune_gradio.cli.runs import settings_of

KINDS = ("run_finished", "run_failed", "run_waiting", "site_lost")


def add_to(commands: Commands) -> None:
    """All commands of this file."""
    _add_presets(commands)
    _add_alerts(commands)
    _add_webhooks(commands)


def _add_presets(commands: Commands) -> None:
    verbs = commands.add_parser("preset", help="filled-in launch forms").add_subparsers(
        required=True, metavar="VERB"
    )
    listing = verbs.add_parser("list", help="those of an app")
    listing.set_defaults(run=_presets)
    save = verbs.add_parser("save", help="keep settings under a name")
    save.set_defaults(run=_save_preset)
    save.add_argument("name")
    save.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="TOML value")
    save.add_argument("--config", type=Path, help="TOML file with settings that differ")
    for command in (listing, save):
        command.add_argument("--app", required=True, help="name of the app's folder")
    delete = verbs.add_parser("delete", help="take one away")
    delete.set_defaults(run=_delete, kind="presets")
    delete.add_argument("id", type=int, help="number of the preset")
    for command in (listing, save, delete):
        add_server(command)


def _add_alerts(commands: Commands) -> None:
    verbs = commands.add_parser("alert", help="what is told by mail").add_subparsers(
        required=True, metavar="VERB"
    )
    shown = verbs.add_parser("show", help="what this token's user is told of")
    shown.set_defaults(run=_alerts)
    chosen = verbs.add_parser("set", help="choose; none switches them off")
    chosen.set_defaults(run=_set_alerts)
    chosen.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}")
    chosen.add_argument("--email", default="", help="where they go")
    for command in (shown, chosen):
        add_server(command)


def _add_webhooks(commands: Commands) -> None:
    verbs = commands.add_parser("webhook", help="addresses that are told").add_subparsers(
        required=True, metavar="VERB"
    )
    listing = verbs.add_parser("list")
    listing.set_defaults(run=_webhooks)
    add = verbs.add_parser("add", help="its secret is shown this once")
    add.set_defaults(run=_add_webhook)
    add.add_argument("address")
    add.add_argument("--event", action="append", required=True, choices=KINDS, help="once for each")
    test = verbs.add_parser("test", help="send a message that says it is a test")
    test.set_defaults(run=_test_webhook)
    delete = verbs.add_parser("delete", help="take one away")
    delete.set_defaults(run=_delete, kind="webhooks")
    for command in (test, delete):
        command.add_argument("id", type=int, help="number of the webhook")
    for command in (listing, add, test, delete):
        add_server(command)


def _presets(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        rows = server.get("/presets", app=arguments.app)
    show(arguments, rows, table(rows, "id", "name", "config", "owner", nothing="No preset yet."))
    return 0


def _save_preset(arguments: argparse.Namespace) -> int:
    body = {"name": arguments.name, "app": arguments.app, "config": settings_of(arguments)}
    with Client(arguments) as server:
        row = server.change("PUT", "/presets", body)
    show(arguments, row, [f"Preset {row['id']} ({row['name']}) is saved."])
    return 0


def _alerts(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        found = server.get("/alerts")
    show(arguments, found, facts(found, "kinds", "email") or ["No alerts."])
    return 0


def _set_alerts(arguments: argparse.Namespace) -> int:
    body = {"kinds": arguments.kinds, "email": arguments.email}
    with Client(arguments) as server:
        found = server.change("PUT", "/alerts", body)
    show(arguments, found, facts(found, "kinds", "email") or ["No alerts."])
    return 0


def _webhooks(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        rows = server.get("/webhooks")
    columns = ("id", "url", "events", "owner", "newest", "trouble")
    show(arguments, rows, table(rows, *columns, nothing="No webhook yet."))
    return 0


def _add_webhook(arguments: argparse.Namespace) -> int:
    body = {"url": arguments.address, "events": arguments.event}
    with Client(arguments) as server:
        row = server.post("/webhooks", body)
    show(arguments, row, [row["secret"], f"Webhook {row['id']} signs with this secret."])
    return 0


def _test_webhook(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        done = server.post(f"/webhooks/{arguments.id}/test")
    show(arguments, done, ["A test is on its way."])
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        done = server.change("DELETE", f"/{arguments.kind}/{arguments.id}")
    show(arguments, done, ["It is deleted."])
    return 0
