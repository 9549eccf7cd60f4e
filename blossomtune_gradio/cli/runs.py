"""`blossomtune run …`: start, watch and stop runs. The words follow `flwr`'s own."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import tomli

from blossomtune_gradio.cli import run_files
from blossomtune_gradio.cli.client import Client, add_server
from blossomtune_gradio.cli.output import Commands, facts, show, table
from blossomtune_gradio.errors import InvalidInput

STOPPED, DEADLINE, TROUBLE = 2, 3, 4
_CODES = {"completed": 0, "failed": 1, "lost": 1, "stopped": STOPPED}
_PAUSE = 1.0  # seconds between two looks
_COLUMNS = ("id", "name", "app", "status", "progress", "created_by", "why")
_FIRST = (  # of one run, in this order; then whatever else the server tells
    *("id", "name", "app", "status", "why", "advice", "evidence", "round", "rounds", "config"),
    *("tags", "note", "created_by", "source", "created_at", "started_at", "ended_at"),
    *("flower_run_id", "app_hash", "command"),
)


def add_to(commands: Commands) -> None:
    """All verbs of `run`."""
    group = commands.add_parser("run", help="start, list, show, log, files, wait, stop, mark")
    verbs = group.add_subparsers(required=True, metavar="VERB")
    _add_start(verbs)
    run_files.add_to(verbs)
    listing = verbs.add_parser("list", help="pinned runs first, then the newest")
    listing.set_defaults(run=_list)
    for name in ("status", "app", "tag", "text"):
        listing.add_argument(f"--{name}", default="", help=f"only with this {name}")
    listing.add_argument("--limit", type=int, default=50, help="at most so many (50)")
    shown = verbs.add_parser("show", help="everything about one run")
    shown.set_defaults(run=_show)
    log = verbs.add_parser("log", help="its log")
    log.set_defaults(run=_log)
    log.add_argument("--follow", action="store_true", help="go on until the run has ended")
    wait = verbs.add_parser("wait", help="0 completed, 1 failed, 2 stopped, 3 deadline, 4 trouble")
    wait.set_defaults(run=_wait, error_code=TROUBLE)
    stop = verbs.add_parser("stop", help="end it")
    stop.set_defaults(run=_stop)
    move = verbs.add_parser("move", help="change its place in the queue")
    move.set_defaults(run=_move)
    mark = verbs.add_parser("mark", help="change note, tags or pin")
    mark.set_defaults(run=_mark)
    delete = verbs.add_parser("delete", help="delete an ended run with its log and numbers")
    delete.set_defaults(run=_delete)
    watch = verbs.add_parser("watch", help="be told by mail of its end and its waits")
    watch.set_defaults(run=_watch)
    watch.add_argument("--email", default="", help="where to; as for all alerts")
    watch.add_argument("--off", action="store_true", help="no more")
    for command in (shown, log, wait, stop, move, mark, delete, watch):
        command.add_argument("id", type=int, help="number of the run")
    move.add_argument("direction", choices=("up", "down"))
    mark.add_argument("--note")
    mark.add_argument("--tag", action="append", help="once for each; replaces those before")
    mark.add_argument("--pin", action=argparse.BooleanOptionalAction)
    wait.add_argument("--deadline", type=float, default=0, help="seconds; 0 waits for ever (0)")
    for command in (listing, shown, log, wait, stop, move, mark, delete, watch):
        add_server(command)


def _add_start(verbs: Commands) -> None:
    start = verbs.add_parser("start", help="queue a run of an app")
    start.set_defaults(run=_start)
    start.add_argument("app", help="name of the app's folder")
    start.add_argument("--name", default="", help="unique; made from app and number")
    start.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="TOML value")
    start.add_argument("--config", type=Path, help="TOML file with settings that differ")
    start.add_argument("--partitions", type=int, help="change the number of data partitions")
    start.add_argument("--min-sites", type=int, default=0)
    start.add_argument("--quorum-seconds", type=int, default=0, help="how long it may wait")
    start.add_argument("--on-quorum", choices=("stop", "go on"), default="stop")
    start.add_argument("--round-seconds", type=int, default=0, help="how long a round may take")
    start.add_argument("--tag", action="append", default=[], help="once for each")
    start.add_argument("--key", default="", help="the same key never makes two runs")
    add_server(start)


def _start(arguments: argparse.Namespace) -> int:
    body = {
        "app": arguments.app,
        "name": arguments.name,
        "config": settings_of(arguments),
        "partitions": arguments.partitions,
        "min_sites": arguments.min_sites,
        "quorum_seconds": arguments.quorum_seconds,
        "on_quorum": arguments.on_quorum,
        "round_seconds": arguments.round_seconds,
        "tags": arguments.tag,
    }
    headers = {"Idempotency-Key": arguments.key} if arguments.key else {}
    with Client(arguments) as server:
        run = server.post("/runs", body, **headers)
    lacking = [f"But: {sentence}" for sentence in run["lacking"]]
    show(arguments, run, [f"Run {run['id']} ({run['name']}) is {run['status']}.", *lacking])
    return 0


def settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What differs from the app: the file first, then each `--set`.

    Raises:
        InvalidInput: the file or a value is no TOML.
    """
    found: dict[str, Any] = {}
    if arguments.config:
        try:
            found |= _flat(tomli.loads(arguments.config.read_text("utf-8")))
        except (OSError, ValueError) as error:
            raise InvalidInput(f"{arguments.config} cannot be used: {error}.") from error
    for text in arguments.set:
        key, equals, value = text.partition("=")
        try:
            read = tomli.loads(f"value = {value}")["value"]
        except ValueError:
            read = value  # a text without quotes, as people type it
        if not equals or not key.strip() or isinstance(read, dict | list):
            raise InvalidInput(f"--set {text!r} is not of the form KEY=VALUE.")
        found[key.strip()] = read
    return found


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else None
        flat |= inner if inner is not None else {f"{prefix}{key}": value}
    return flat


def _list(arguments: argparse.Namespace) -> int:
    query = {name: getattr(arguments, name) for name in ("status", "app", "tag", "text", "limit")}
    with Client(arguments) as server:
        runs = server.get("/runs", **query)["runs"]
    rows = [{**run, "progress": _progress(run)} for run in runs]
    show(arguments, runs, table(rows, *_COLUMNS, nothing="No run yet."))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        run = server.get(f"/runs/{arguments.id}")
        more = {
            part: server.get(f"/runs/{arguments.id}/{part}")
            for part in ("events", "sites", "metrics")
        }
    lines = facts(run, *_FIRST, *(name for name in run if name not in _FIRST))
    lines += [""] + [f"{e['at'][11:19]}  {e['text']}" for e in more["events"]]
    if more["sites"]:
        columns = ("name", "partition", "asked", "answered", "failures", "last_error")
        lines += ["", *table(more["sites"], *columns, nothing="")]
    if more["metrics"]:
        lines += ["", *table(more["metrics"], "name", "site", "round", "value", nothing="")]
    show(arguments, {**run, **more}, lines)
    return 0


def _log(arguments: argparse.Namespace) -> int:
    cursor, lines = 0, []
    with Client(arguments) as server:
        while True:
            ended = server.get(f"/runs/{arguments.id}")["ended"]  # before: no line comes after it
            more = True
            while more:
                page = server.get(f"/runs/{arguments.id}/log", after=str(cursor))
                cursor, more = page["cursor"], page["more"]
                lines += page["lines"]
                if not arguments.json:
                    show(
                        arguments, None, [f"{e['time'][11:19]} {e['text']}" for e in page["lines"]]
                    )
            if ended or not arguments.follow:
                break
            time.sleep(_PAUSE)
    if arguments.json:
        show(arguments, lines, [])
    return 0


def _wait(arguments: argparse.Namespace) -> int:
    until = time.monotonic() + arguments.deadline if arguments.deadline else None
    with Client(arguments) as server:
        run = server.get(f"/runs/{arguments.id}")
        while not run["ended"]:
            if until is not None and time.monotonic() >= until:
                show(arguments, run, [f"Run {run['id']} is still {run['status']}. {run['why']}"])
                return DEADLINE
            time.sleep(_PAUSE)
            run = server.get(f"/runs/{arguments.id}")
    show(arguments, run, [f"Run {run['id']} ({run['name']}) {run['status']}. {run['why']}"])
    return _CODES[run["status"]]


def _stop(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        run = server.post(f"/runs/{arguments.id}/stop")
    word = "is stopped" if run["ended"] else "is being stopped"
    show(arguments, run, [f"Run {run['id']} ({run['name']}) {word}."])
    return 0


def _move(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        run = server.post(f"/runs/{arguments.id}/move", {"direction": arguments.direction})
    show(arguments, run, [f"Run {run['id']} ({run['name']}) went {arguments.direction}."])
    return 0


def _mark(arguments: argparse.Namespace) -> int:
    body = {"note": arguments.note, "tags": arguments.tag, "pinned": arguments.pin}
    with Client(arguments) as server:
        run = server.change("PATCH", f"/runs/{arguments.id}", body)
    show(arguments, run, facts(run, "id", "name", "note", "tags", "pinned"))
    return 0


def _watch(arguments: argparse.Namespace) -> int:
    body = {"on": not arguments.off, "email": arguments.email}
    with Client(arguments) as server:
        done = server.change("PUT", f"/runs/{arguments.id}/watch", body)
    show(arguments, done, ["You will be told." if done["on"] else "You will not be told."])
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        done = server.change("DELETE", f"/runs/{arguments.id}")
    show(arguments, done, [f"{done['deleted']} is deleted."])
    return 0


def _progress(run: dict[str, Any]) -> str:
    return f"{run['round']}/{run['rounds']}" if run["rounds"] else ""
