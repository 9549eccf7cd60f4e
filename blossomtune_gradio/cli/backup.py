"""`blossomtune backup FILE` and `restore FILE`."""

from __future__ import annotations

import argparse
from pathlib import Path

import config
from blossomtune_gradio.cli.local import add_data_dir, add_json, settings_of
from blossomtune_gradio.cli.output import Commands, show


def add_to(commands: Commands) -> None:
    """Both commands."""
    backup = commands.add_parser("backup", help="database, certificates and keys in one file")
    backup.set_defaults(run=_backup)
    restore = commands.add_parser("restore", help="a backup into an empty data directory")
    restore.set_defaults(run=_restore)
    for command in (backup, restore):
        command.add_argument("file", type=Path, help="a .tar.gz")
        add_data_dir(command)
        add_json(command)


def _backup(arguments: argparse.Namespace) -> int:
    from blossomtune_gradio.services.backup import backup

    names = backup(settings_of(arguments), arguments.file)
    document = {"file": str(arguments.file), "files": names}
    line = f"{arguments.file} has {len(names)} files. It carries private keys: keep it safe."
    show(arguments, document, [line])
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    from blossomtune_gradio.services.backup import restore

    settings = config.load(data_dir=arguments.data_dir)
    config.prepare_environment(settings)
    data_dir = settings.data_dir
    names = restore(arguments.file, data_dir)
    document = {"data_dir": str(data_dir), "files": names}
    show(arguments, document, [f"{len(names)} files are in {data_dir}. Check: audit verify."])
    return 0
