"""One file with everything that cannot be made again; taken while the server runs.

In it: the database and Flower's own (each as one consistent state, by SQLite's backup interface),
certificates, secrets and the audit trail's head. Logs and the data of runs are not. Surprise: the
head is copied before the database, because it may lag behind the entries but never be ahead.
"""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import make_url

from blossomtune_gradio import __version__
from blossomtune_gradio.errors import InvalidInput, NotPossible, SettingsError
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.models import now

_ABOUT = "blossomtune-backup.json"
_DATABASES = ("blossomtune.db", "flower/superlink.db")
_FIRST = ("audit.key", "audit.head")
_SECRETS = ("session.key", "flower/superexec.secret")
_FOLDERS = ("certificates",)
_MOST = 20 * 1024**3  # bytes of one member


def backup(settings: Settings, target: Path) -> list[str]:
    """Write `target` (a tar, gzipped, 0600); the names of what is in it.

    Raises:
        SettingsError: the database is not SQLite.
        InvalidInput: the file exists already or cannot be written.
    """
    if make_url(settings.database).get_backend_name() != "sqlite":
        raise SettingsError(
            "Only SQLite is backed up here. Use your database's own tool (pg_dump) for it."
        )
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InvalidInput(f"{target} exists already. Choose another name.") from None
    except OSError as error:
        raise InvalidInput(f"{target} cannot be written ({error.strerror}).") from error
    try:
        with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
            return _fill(tar, settings)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def restore(source: Path, data_dir: Path) -> list[str]:
    """Unpack a backup into a data directory that has no database; the names of what came.

    Raises:
        NotPossible: there is a database already, or a server uses the folder.
        InvalidInput: this is no backup of ours, or a damaged one.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(data_dir / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise NotPossible(f"A BlossomTune is using {data_dir}. End it first.") from None
    try:
        if (data_dir / _DATABASES[0]).exists():
            raise NotPossible(f"{data_dir} has a database already. Restore into an empty folder.")
        with tarfile.open(source, "r:gz") as tar:
            return _unpack(tar, data_dir)
    except (OSError, tarfile.TarError, EOFError, ValueError) as error:
        raise InvalidInput(f"{source} cannot be restored: {error}.") from error
    finally:
        lock.release()


def _fill(tar: tarfile.TarFile, settings: Settings) -> list[str]:
    root, names = settings.data_dir, []
    about = {"version": __version__, "at": now().isoformat()}
    _add_bytes(tar, _ABOUT, json.dumps(about).encode())
    for name in _files(root):
        tar.add(root / name, arcname=name, recursive=False)
        names.append(name)
    with tempfile.TemporaryDirectory() as folder:
        for name in _DATABASES:
            path = Path(make_url(settings.database).database or "") if "/" not in name else None
            path = path or root / name
            if not path.exists():
                continue
            copy = Path(folder) / "copy.db"
            _copy_database(path, copy)
            tar.add(copy, arcname=name)
            copy.unlink()
            names.append(name)
    return names


def _files(root: Path) -> Iterator[str]:
    """The head of the audit trail first."""
    for name in (*_FIRST, *_SECRETS):
        if (root / name).is_file():
            yield name
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(root).as_posix()


def _copy_database(source: Path, target: Path) -> None:
    uri = f"{source.absolute().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=30)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
        new.execute("PRAGMA journal_mode = DELETE")  # one file, without a companion


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


def _unpack(tar: tarfile.TarFile, data_dir: Path) -> list[str]:
    members = tar.getmembers()
    if not members or members[0].name != _ABOUT:
        raise InvalidInput("This is no backup of BlossomTune.")
    for member in members[1:]:
        if not member.isfile() or not _is_ours(member.name) or member.size > _MOST:
            raise InvalidInput(f"The backup has something foreign in it: {member.name[:80]!r}.")
    for member in members[1:]:
        content = tar.extractfile(member)
        if content is None:
            raise InvalidInput(f"{member.name} is missing in the backup.")
        place = data_dir / member.name
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            while chunk := content.read(1 << 20):
                file.write(chunk)
    return [member.name for member in members[1:]]


def _is_ours(name: str) -> bool:
    if name in (*_DATABASES, *_FIRST, *_SECRETS):
        return True
    folder, _, rest = name.partition("/")
    return folder in _FOLDERS and bool(rest) and ".." not in name.split("/")
