"""`blossomtune token …`: tokens for the REST interface, made in the data directory itself.

So the first token needs no other one; whoever may write the data directory may make tokens.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from blossomtune_gradio.cli.local import add_data_dir, add_json, settings_of
from blossomtune_gradio.cli.output import Commands, show, table
from blossomtune_gradio.identity import OPERATOR

if TYPE_CHECKING:
    from blossomtune_gradio.services.people.tokens import TokenService
    from blossomtune_gradio.store.models import ApiToken


def add_to(commands: Commands) -> None:
    """`token create|list|revoke`."""
    group = commands.add_parser("token", help="tokens for scripts: create, list, revoke")
    verbs = group.add_subparsers(required=True, metavar="VERB")
    create = verbs.add_parser("create", help="a new one; it is shown this once")
    create.set_defaults(run=_create)
    create.add_argument("--name", required=True, help="what it is for")
    create.add_argument("--role", required=True, choices=("admin", "researcher", "participant"))
    create.add_argument("--days", type=float, default=30, help="how long it lives (30)")
    listing = verbs.add_parser("list", help="all tokens, without their secrets")
    listing.set_defaults(run=_list)
    revoke = verbs.add_parser("revoke", help="end one at once")
    revoke.set_defaults(run=_revoke)
    revoke.add_argument("id", type=int, help="number of the token")
    for command in (create, listing, revoke):
        add_data_dir(command)
        add_json(command)


@contextmanager
def _tokens(arguments: argparse.Namespace) -> Iterator[TokenService]:
    """The tokens, and the audit trail sealed afterwards; the server may run beside."""
    from blossomtune_gradio.services.audit.trail import AuditLog
    from blossomtune_gradio.services.people.tokens import TokenService
    from blossomtune_gradio.store.database import Database

    settings = settings_of(arguments)
    database = Database(settings.database)
    try:
        trail = AuditLog(database, settings.data_dir)
        trail.begin()
        yield TokenService(database)
        trail.seal()
    finally:
        database.close()


def _create(arguments: argparse.Namespace) -> int:
    with _tokens(arguments) as tokens:
        token, secret = tokens.create(OPERATOR, arguments.name, arguments.role, arguments.days)
    lines = [secret, f"Token {token.id} ({token.role}) is good until {token.expires_at:%F %R} UTC."]
    show(arguments, {**_facts(token), "token": secret}, lines)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    with _tokens(arguments) as tokens:
        rows = [_facts(token) for token in tokens.list(OPERATOR)]
    columns = ("id", "name", "role", "state", "created_by", "expires_at", "last_used_at")
    show(arguments, rows, table(rows, *columns, nothing="No token yet."))
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    with _tokens(arguments) as tokens:
        token = tokens.revoke(arguments.id, OPERATOR)
    show(arguments, _facts(token), [f"Token {token.id} ({token.name}) is revoked."])
    return 0


def _facts(token: ApiToken) -> dict[str, Any]:
    from blossomtune_gradio.services.people.tokens import state_of
    from blossomtune_gradio.store.models import now

    used = token.last_used_at
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "state": state_of(token, now()),
        "created_by": token.created_name,
        "expires_at": token.expires_at.isoformat(timespec="seconds"),
        "last_used_at": used.isoformat(timespec="seconds") if used else None,
    }
