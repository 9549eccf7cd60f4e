"""The data directory of this machine, for commands that work without a running server."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import config
from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.settings import Settings

if TYPE_CHECKING:
    from blossomtune_gradio.services.audit.trail import AuditLog


def add_data_dir(command: argparse.ArgumentParser) -> None:
    """The option every local command has."""
    command.add_argument("--data-dir", type=Path, help="folder of the server (data)")


def add_json(command: argparse.ArgumentParser) -> None:
    """The option every command has that prints something."""
    command.add_argument("--json", action="store_true", help="print one JSON document")


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings of the data directory. Raises SettingsError when there is none."""
    settings = config.load(data_dir=arguments.data_dir)
    if not settings.data_dir.is_dir():
        raise SettingsError(
            f"There is no data directory {settings.data_dir}. Name it with --data-dir or "
            "BLOSSOMTUNE_DATA_DIR; `blossomtune serve` makes it."
        )
    return settings


@contextmanager
def audit_trail(arguments: argparse.Namespace) -> Iterator[AuditLog]:
    """The audit trail, for looking only: works while the server runs, and takes no lock."""
    from blossomtune_gradio.services.audit.trail import AuditLog
    from blossomtune_gradio.store.database import Database

    settings = settings_of(arguments)
    database = Database(settings.database, read_only=True)
    try:
        yield AuditLog(database, settings.data_dir)
    finally:
        database.close()
