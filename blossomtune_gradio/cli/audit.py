"""`blossomtune audit …`: check, read and export the audit trail. Reads the data directory only."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from blossomtune_gradio.cli.local import add_data_dir, add_json, audit_trail
from blossomtune_gradio.cli.output import Commands, show, table
from blossomtune_gradio.errors import InvalidInput
from blossomtune_gradio.identity import LOCAL_ADMIN

if TYPE_CHECKING:
    from blossomtune_gradio.services.audit.trail import AuditFilter


def add_to(commands: Commands) -> None:
    """`audit verify|list|export`."""
    group = commands.add_parser("audit", help="who did what, when: check, read, export")
    verbs = group.add_subparsers(required=True, metavar="VERB")
    verify = verbs.add_parser("verify", help="find a changed, missing or moved entry")
    verify.set_defaults(run=_verify)
    listing = verbs.add_parser("list", help="the newest entries first")
    listing.set_defaults(run=_list)
    listing.add_argument("--limit", type=int, default=50, help="at most so many, up to 500 (50)")
    export = verbs.add_parser("export", help="all entries, oldest first, to standard output")
    export.set_defaults(run=_export)
    export.add_argument("--format", choices=("jsonl", "csv"), default="jsonl")
    for command in (verify, listing, export):
        add_data_dir(command)
    for command in (listing, export):
        _add_filters(command)
    for command in (verify, listing):
        add_json(command)


def _add_filters(command: argparse.ArgumentParser) -> None:
    command.add_argument("--actor", default="", help="a user's id, or part of the name")
    command.add_argument("--action", default="", help="what was done, from its beginning: run.")
    command.add_argument("--target", default="", help="participant:5, or part of the name")
    command.add_argument("--since", help="first moment, like 2026-11-25 or 2026-11-25T08:00")
    command.add_argument("--until", help="first moment that is too late; times are UTC")
    command.add_argument("--text", default="", help="anywhere in an entry")


def _filter(arguments: argparse.Namespace) -> AuditFilter:
    from blossomtune_gradio.services.audit.trail import AuditFilter

    return AuditFilter(
        actor=arguments.actor,
        action=arguments.action,
        target=arguments.target,
        since=_moment(arguments.since),
        until=_moment(arguments.until),
        text=arguments.text,
    )


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no moment. Write it like 2026-11-25T08:00.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _verify(arguments: argparse.Namespace) -> int:
    with audit_trail(arguments) as trail:
        verdict = trail.verify(LOCAL_ADMIN, afresh=True)
    document = {
        "good": verdict.good,
        "entries": verdict.entries,
        "entry": verdict.entry,
        "sentence": verdict.sentence,
    }
    show(arguments, document, [f"{'PASS' if verdict.good else 'FAIL'}  {verdict.sentence}"])
    return 0 if verdict.good else 1


def _list(arguments: argparse.Namespace) -> int:
    from blossomtune_gradio.services.audit.export import entry_facts

    wanted = _filter(arguments)
    with audit_trail(arguments) as trail:
        page = trail.entries(LOCAL_ADMIN, wanted, limit=arguments.limit)
    rows = [entry_facts(entry) for entry in page.entries]
    lines = [{**row, "at": row["at"][:19], "by": row["actor_name"] or row["actor"]} for row in rows]
    columns = ("id", "at", "by", "action", "target", "target_name", "after")
    show(arguments, rows, table(lines, *columns, nothing="No entry fits."))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from blossomtune_gradio.services.audit.export import exported

    with audit_trail(arguments) as trail:
        entries = trail.all_entries(LOCAL_ADMIN, _filter(arguments))
        for piece in exported(entries, arguments.format):
            sys.stdout.write(piece)
    return 0
