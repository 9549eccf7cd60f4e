"""`blossomtune run files`: what a run left behind, listed or downloaded."""

from __future__ import annotations

import argparse
from pathlib import Path
from urllib.parse import quote

from blossomtune_gradio.cli.client import Client, add_server
from blossomtune_gradio.cli.output import Commands, show, table
from blossomtune_gradio.errors import InvalidInput


def add_to(verbs: Commands) -> None:
    """The one verb."""
    files = verbs.add_parser("files", help="the files it left behind: a list, or one of them")
    files.set_defaults(run=_files)
    files.add_argument("id", type=int, help="number of the run")
    files.add_argument("name", nargs="?", default="", help="download this one")
    files.add_argument("--output", type=Path, help="where to (its own name, here)")
    add_server(files)


def _files(arguments: argparse.Namespace) -> int:
    with Client(arguments) as server:
        if arguments.name:
            return _download(arguments, server)
        found = server.get(f"/runs/{arguments.id}/files")
    lines = table(found["files"], "name", "size", "changed_at", nothing="This run left no file.")
    if found["left_out"]:
        lines.append(f"{found['left_out']} more cannot be listed: links, odd names, or too many.")
    show(arguments, found, lines)
    return 0


def _download(arguments: argparse.Namespace, server: Client) -> int:
    name = arguments.name
    target = arguments.output or Path(name.rpartition("/")[2])
    try:
        with target.open("xb") as file:
            try:
                for piece in server.stream(f"/runs/{arguments.id}/files/{quote(name)}"):
                    file.write(piece)
            except BaseException:
                target.unlink()
                raise
    except FileExistsError:
        raise InvalidInput(f"{target} exists already. Name another with --output.") from None
    except OSError as error:
        raise InvalidInput(f"{target} cannot be written ({error.strerror}).") from error
    document = {"file": str(target), "bytes": target.stat().st_size}
    show(arguments, document, [f"{target} has {document['bytes']} bytes."])
    return 0
