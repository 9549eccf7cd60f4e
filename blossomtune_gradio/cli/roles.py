"""`blossomtune role …`: who signed in, and who may run things."""

from __future__ import annotations

import argparse

from blossomtune_gradio.cli.client import Client, add_server
from blossomtune_gradio.cli.output import Commands, show, table


def add_to(commands: Commands) -> None:
    """`role list|grant|take|sign-out`."""
    group = commands.add_parser("role", help="list accounts; grant or take researcher")
    verbs = group.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="everybody who signed in")
    listing.set_defaults(run=_list)
    listing.add_argument("--text", default="", help="in name or address")
    grant = verbs.add_parser("grant", help="make somebody a researcher")
    grant.set_defaults(run=_change, researcher=True)
    take = verbs.add_parser("take", help="take back what was granted")
    take.set_defaults(run=_change, researcher=False)
    out = verbs.add_parser("sign-out", help="end all sessions of an account")
    out.set_defaults(run=_sign_out)
    for command in (grant, take, out):
        command.add_argument("id", help="of the account, like hf:1234")
    for command in (listing, grant, take, out):
        add_server(command)


def _list(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        rows = server.get("/accounts", text=arguments.text)
    columns = ("id", "name", "role", "because", "last_seen")
    show(arguments, rows, table(rows, *columns, nothing="Nobody signed in yet."))
    return 0


def _sign_out(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        done = server.change("POST", "/accounts/sign-out", {"id": arguments.id})
    show(arguments, done, [f"{done['sessions']} sessions of {arguments.id} are ended."])
    return 0


def _change(arguments: argparse.Namespace) -> int:
    body = {"id": arguments.id, "researcher": arguments.researcher}
    with Client(arguments) as server:
        row = server.change("PUT", "/accounts", body)
    show(arguments, row, [f"{row['name']} is {row['role']} now."])
    return 0
