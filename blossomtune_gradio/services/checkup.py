"""Is this installation fit to serve? Each check is a name, good or not, and a sentence.

Looks only; it may run beside the server and changes nothing.
"""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from sqlalchemy import make_url

from blossomtune_gradio.errors import BlossomError
from blossomtune_gradio.flower.apps.catalogue import AppCatalogue
from blossomtune_gradio.identity import SYSTEM
from blossomtune_gradio.services.audit.trail import AuditLog
from blossomtune_gradio.services.entrances import Entrances
from blossomtune_gradio.services.outside import seen
from blossomtune_gradio.services.rights import open_to_others, still_open
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database

_GIB = 1024**3
_PRIVATE = ("audit.key", "session.key", "local-token", "flower/superexec.secret")


@dataclass(frozen=True)
class SetupCheck:
    """One check. The sentence says what to do where it is not good."""

    name: str
    good: bool
    sentence: str


def check_all(settings: Settings, server_runs: bool) -> Iterator[SetupCheck]:
    """All checks that need no server; `server_runs` says whether ours has the ports."""
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("Python", _python),
        ("flwr", lambda: _package("flwr")),
        ("gradio", lambda: _package("gradio")),
        ("data directory", lambda: _data_dir(settings)),
        ("secrets", lambda: _secrets(settings)),
        ("rights", lambda: _rights(settings)),
        ("disk", lambda: _disk(settings)),
        ("database", lambda: _database(settings)),
        ("audit trail", lambda: _audit(settings)),
        ("Flower apps", lambda: _apps(settings)),
        ("page port", lambda: _port(settings.host, settings.port, "PORT", server_runs)),
        (
            "fleet port",
            lambda: _port(settings.fleet_host, settings.fleet_port, "FLEET_PORT", server_runs),
        ),
        ("sites", lambda: _sites(settings, server_runs)),
    )
    for name, check in checks:
        try:
            yield SetupCheck(name, True, check())
        except _Bad as fault:
            yield SetupCheck(name, False, str(fault))
        except (OSError, BlossomError) as error:
            yield SetupCheck(name, False, f"{error}")


class _Bad(Exception):
    """A check failed; the message says what to do."""


def _python() -> str:
    found = ".".join(map(str, sys.version_info[:3]))
    wanted = metadata.metadata("blossomtune-gradio")["Requires-Python"]
    if found not in SpecifierSet(wanted):
        raise _Bad(f"Python {found} is not {wanted}. Install such a one.")
    return found


def _package(name: str) -> str:
    wanted = next(
        Requirement(text)
        for text in metadata.requires("blossomtune-gradio") or ()
        if Requirement(text).name == name
    )
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        raise _Bad(f"{name} is missing. Run: pip install '{wanted}'") from None
    if found not in wanted.specifier:
        raise _Bad(f"{name} {found} was not tested. Run: pip install '{wanted}'")
    return found


def _data_dir(settings: Settings) -> str:
    folder = settings.data_dir
    if not folder.is_dir():
        raise _Bad(f"{folder} is missing. `blossomtune serve` makes it.")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise _Bad(f"Nothing can be written in {folder}. Correct its rights: chown, chmod u+rwx.")
    return str(folder)


def _secrets(settings: Settings) -> str:
    root = settings.data_dir
    files = [root / name for name in _PRIVATE] + sorted((root / "certificates").glob("*.key"))
    there = [file for file in files if file.is_file()]
    for file in there:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise _Bad(f"Others may read {file}. Run: chmod 600 {file}")
    return f"{len(there)} files, for our own user only"


def _rights(settings: Settings) -> str:
    found = open_to_others(settings)
    if found:
        raise _Bad(still_open(found))
    return "other users of this machine see nothing of the data directory"


def _disk(settings: Settings) -> str:
    folder = settings.data_dir if settings.data_dir.is_dir() else settings.data_dir.parent
    free = shutil.disk_usage(folder).free
    if free < _GIB:
        raise _Bad(f"Only {free / _GIB:.1f} GiB are free at {folder}. Make room: 1 GiB at least.")
    return f"{free / _GIB:.0f} GiB free"


def _database(settings: Settings) -> str:
    url = make_url(settings.database)
    if url.get_backend_name() != "sqlite":
        Database(settings.database, read_only=True).close()
        return f"{url.get_backend_name()} answers"
    try:
        with closing(sqlite3.connect(f"file:{url.database}?mode=ro", uri=True)) as connection:
            said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise _Bad(f"{url.database} cannot be read ({error}). Restore a backup.") from error
    if said != "ok":
        raise _Bad(f"{url.database} is damaged ({said}). Restore a backup.")
    return "whole"


def _audit(settings: Settings) -> str:
    database = Database(settings.database, read_only=True)
    try:
        verdict = AuditLog(database, settings.data_dir).verify(SYSTEM, afresh=True)
    finally:
        database.close()
    if not verdict.good:
        raise _Bad(f"{verdict.sentence} See docs/audit.md.")
    return verdict.sentence


def _apps(settings: Settings) -> str:
    apps = AppCatalogue(settings.flower_apps_dir).apps()
    good = [app.name for app in apps if app.runnable]
    if not good:
        raise _Bad(f"No app in {settings.flower_apps_dir} can run. Make one: blossomtune app new")
    broken = f"; {len(apps) - len(good)} cannot run" if len(good) < len(apps) else ""
    return f"{', '.join(good)}{broken}"


def _sites(settings: Settings, server_runs: bool) -> str:
    """Where they join; by the page: what a site would see there."""
    certificates = settings.data_dir / "certificates"
    entrances = Entrances(settings, certificates / "ca.pem", lambda: settings.fleet_port)
    if entrances.warnings:
        raise _Bad(" ".join([entrances.sentence, *entrances.warnings]))
    if not (settings.sites_use_page and server_runs):
        return " ".join(filter(None, (entrances.sentence, entrances.note)))
    sight = seen(settings.public_url, entrances.page.ca)
    if not sight.good:
        raise _Bad(sight.sentence)
    return f"{entrances.sentence} {sight.sentence}"


def _port(host: str, port: int, variable: str, server_runs: bool) -> str:
    if server_runs:
        return f"{port}, the server has it"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _Bad(
                f"{host}:{port} cannot be used ({error.strerror}). End what uses it, or set "
                f"BLOSSOMTUNE_{variable}."
            ) from error
    return f"{port}, free"
