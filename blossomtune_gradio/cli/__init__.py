"""`blossomtune …`: the commands, a file per group. Each is a few lines; the work is done elsewhere.

Heavy rooms (Gradio, Flower, the database) are imported only by the command that needs them, so
`--help` is quick. Surprise: an expected error is one sentence on stderr and exit code 2, so that a
command whose own code means something (`run wait`, `audit verify`) is never misread.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from blossomtune_gradio import __version__
from blossomtune_gradio.cli import (
    alerts,
    apps,
    audit,
    backup,
    doctor,
    roles,
    runs,
    serve,
    sites,
    streams,
    tokens,
)
from blossomtune_gradio.errors import BlossomError

GROUPS = (serve, apps, runs, sites, roles, alerts, tokens, audit, backup, doctor)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, and turn an expected error into one sentence and exit code 2."""
    streams.make_sound()
    arguments = parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except BlossomError as error:
        if getattr(arguments, "json", False):
            print(json.dumps({"error": str(error), "status": error.status}))
        print(f"blossomtune: {error}", file=sys.stderr)
        code_of_trouble: int = getattr(arguments, "error_code", 2)
        return code_of_trouble
    except BrokenPipeError:  # `blossomtune run log 3 | head`
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
    return code


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    made = argparse.ArgumentParser(
        prog="blossomtune", description="The control plane for federated learning with Flower."
    )
    made.add_argument("--version", action="version", version=f"blossomtune {__version__}")
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for group in GROUPS:
        group.add_to(commands)
    return made
