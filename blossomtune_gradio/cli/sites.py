"""`blossomtune site …`, `request …`, `superlink …`, `mail list`, `log`: the federation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from blossomtune_gradio.cli.client import Client, add_server
from blossomtune_gradio.cli.output import Commands, show, table
from blossomtune_gradio.errors import InvalidInput


def add_to(commands: Commands) -> None:
    """All commands of this file."""
    _add_sites(commands)
    _add_requests(commands)
    superlink = commands.add_parser("superlink", help="start, stop or look at the SuperLink")
    verbs = superlink.add_subparsers(required=True, metavar="VERB")
    for verb in ("status", "start", "stop"):
        command = verbs.add_parser(verb)
        command.set_defaults(run=_superlink, verb=verb)
        add_server(command)
    mails = commands.add_parser("mail", help="mails on their way out")
    verbs = mails.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list")
    listing.set_defaults(run=_mails)
    retry = verbs.add_parser("retry", help="try every unsent mail now")
    retry.set_defaults(run=_retry)
    partitions = commands.add_parser("partitions", help="number of data partitions")
    partitions.set_defaults(run=_partitions)
    partitions.add_argument("total", nargs="?", type=int, help="change it to this")
    again = verbs.add_parser("send-again", help="send a mail that may not have arrived")
    again.set_defaults(run=_send_again)
    again.add_argument("id", type=int, help="number of the mail")
    for command in (listing, retry, again, partitions):
        add_server(command)
    log = commands.add_parser("log", help="newest lines of a log; without a name: their names")
    log.set_defaults(run=_log)
    log.add_argument("source", nargs="?", default="")
    log.add_argument("--limit", type=int, default=100, help="at most so many lines (100)")
    add_server(log)


def _add_sites(commands: Commands) -> None:
    group = commands.add_parser("site", help="list or revoke sites")
    verbs = group.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="approved sites as Flower sees them")
    listing.set_defaults(run=_sites)
    revoke = verbs.add_parser("revoke", help="cut a site off for good")
    revoke.set_defaults(run=_decide, kind="sites", verb="revoke")
    revoke.add_argument("id", type=int, help="number of the site")
    revoke.add_argument("--reason", default="", help="the participant reads it")
    for command in (listing, revoke):
        add_server(command)


def _add_requests(commands: Commands) -> None:
    group = commands.add_parser("request", help="list, approve or deny requests; get a kit")
    verbs = group.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="the newest change first")
    listing.set_defaults(run=_requests)
    listing.add_argument("--status", default="", help="requested, confirmed, approved, …")
    approve = verbs.add_parser("approve", help="give the site a data partition")
    approve.add_argument("--partition", type=int, help="the lowest free one")
    deny = verbs.add_parser("deny", help="refuse it")
    deny.add_argument("--reason", default="", help="the participant reads it")
    for name, command in (("approve", approve), ("deny", deny)):
        command.set_defaults(run=_decide, kind="requests", verb=name)
    note = verbs.add_parser("note", help="a note of the admins on it")
    note.set_defaults(run=_note)
    kit = verbs.add_parser("kit", help="a fresh kit; the one before stops working")
    kit.set_defaults(run=_kit)
    kit.add_argument("--output", type=Path, required=True, help="zip file to write")
    for command in (approve, deny, note, kit):
        command.add_argument("id", type=int, help="number of the request")
    note.add_argument("text", help="empty takes it away")
    for command in (listing, approve, deny, note, kit):
        add_server(command)


def _sites(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        rows = server.get("/sites")
    columns = ("id", "name", "partition", "presence", "last_seen", "node_id")
    show(arguments, rows, table(rows, *columns, nothing="No site is approved yet."))
    return 0


def _requests(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        rows = server.get("/requests", status=arguments.status)
    columns = ("id", "site", "email", "status", "partition", "reason", "message")
    show(arguments, rows, table(rows, *columns, nothing="No request."))
    return 0


def _decide(arguments: argparse.Namespace) -> int:
    approving = arguments.verb == "approve"
    body = {"partition": arguments.partition} if approving else {"reason": arguments.reason}
    with Client(arguments) as server:
        row = server.post(f"/{arguments.kind}/{arguments.id}/{arguments.verb}", body)
    place = f" and owns partition {row['partition']}" if approving else ""
    show(arguments, row, [f"{row['site']} is {row['status']}{place}."])
    return 0


def _note(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        row = server.change("PUT", f"/requests/{arguments.id}/note", {"note": arguments.text})
    show(arguments, row, [f"The note on {row['site']} is kept."])
    return 0


def _retry(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        done = server.post("/mails/retry")
    show(arguments, done, [f"{done['mails']} mails are tried again now."])
    return 0


def _send_again(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        mail = server.post(f"/mails/{arguments.id}/send-again")
    show(arguments, mail, [f"The mail to {mail['recipient']} is sent again."])
    return 0


def _partitions(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        if arguments.total is None:
            found = server.get("/partitions")
        else:
            found = server.change("PUT", "/partitions", {"total": arguments.total})
    show(arguments, found, [f"{found['total']} data partitions"])
    return 0


def _kit(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        content = server.bytes(f"/requests/{arguments.id}/kit")
    try:
        arguments.output.write_bytes(content)
        arguments.output.chmod(0o600)  # it carries a one-time token
    except OSError as error:
        raise InvalidInput(f"{arguments.output} cannot be written ({error.strerror}).") from error
    document = {"file": str(arguments.output), "bytes": len(content)}
    show(arguments, document, [f"The kit is {arguments.output}. Its token works once."])
    return 0


def _superlink(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        if arguments.verb == "status":
            found = server.get("/superlink")
        else:
            found = server.post(f"/superlink/{arguments.verb}")
    show(arguments, found, [_state(one) for one in found["processes"]])
    return 0


def _state(process: dict[str, Any]) -> str:
    reason = f": {process['reason']}" if process["reason"] else ""
    return f"{process['name']} is {process['state']}{reason}"


def _mails(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        rows = server.get("/mails")
    show(arguments, rows, table(rows, "id", "status", "recipient", "subject", nothing="No mail."))
    return 0


def _log(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        if not arguments.source:
            names = server.get("/logs")
            show(arguments, names, names)
            return 0
        page = server.get(f"/logs/{arguments.source}", limit=arguments.limit)
    lines = [f"{line['time'][:19]} {line['text']}" for line in page["lines"]]
    show(arguments, page["lines"], lines)
    return 0
