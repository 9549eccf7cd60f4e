"""Engine, pragmas and the two kinds of transaction.

`read()` and `write()` give a session that is one transaction; services open one per call, and no
child process or network request happens inside. Surprise: on SQLite a write takes its lock at the
beginning (BEGIN IMMEDIATE), because a transaction that first reads and then wants to write is told
"database is locked" at once, whatever the busy timeout says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import RLock
from typing import Any
from urllib.parse import quote

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Insert, create_engine, event, inspect, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import DatabaseBusy, DatabaseFull, SettingsError
from blossomtune_gradio.store.models.base import Base

_MIGRATIONS = Path(__file__).parent / "migrations"
_WATCH_FOREIGN_KEYS = "foreign_keys = ON"
_NO_ROOM = ("disk is full", "readonly database", "disk I/O error", "unable to open database")
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",  # a power cut takes nothing back, or the audit trail's head were ahead
    _WATCH_FOREIGN_KEYS,
    "busy_timeout = 10000",
)


class Database:
    """The one way to the tables."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        """Open the database and bring its tables up to date; `read_only` leaves it as it is.

        Raises:
            SettingsError: it cannot be opened, or was written by a newer BlossomTune.
        """
        self._is_sqlite = make_url(url).get_backend_name() == "sqlite"
        looks_only = read_only and self._is_sqlite
        # What is written is nobody's business but the tables': no error repeats it in a traceback.
        shown = _looking_only(url) if looks_only else url
        self._engine = create_engine(shown, hide_parameters=True)
        self._turn = RLock() if self._is_sqlite else nullcontext()
        if self._is_sqlite:
            _use_own_transactions(self._engine, () if read_only else _PRAGMAS)
        self._writing = self._engine.execution_options(begin="BEGIN IMMEDIATE")
        self._listeners: list[Callable[[Session], None]] = []
        try:
            if read_only:
                self._engine.connect().close()
            else:
                self._migrate()
        except DBAPIError as error:
            raise SettingsError(
                f"The database {self._engine.url!r} cannot be used ({error.orig}). "
                "Check that its folder exists and may be written, then start again."
            ) from error

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for looking only: on SQLite a write in it is refused. Raises DatabaseBusy."""
        with _told(), Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that commits at the end, or undoes everything when an error leaves it.

        Raises:
            DatabaseBusy: another program holds the lock for longer than ten seconds.
            DatabaseFull: the disk has no room, or nothing may be written there.
        """
        # Threads queue here: SQLite's own wait is a game of chance with an error after 10 s.
        with (
            _told(),
            self._turn,
            Session(self._writing, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session
        for hear in self._listeners:
            hear(session)

    def after_write(self, hear: Callable[[Session], None]) -> None:
        """Call `hear` with the session after each commit of a write. It must be quick."""
        self._listeners.append(hear)

    def close(self) -> None:
        """Give back all connections."""
        self._engine.dispose()

    def _migrate(self) -> None:
        """All or nothing: an upgrade that fails leaves the database as it was."""
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        engine = self._writing
        if self._is_sqlite:
            # SQLite alters a table by making it anew. While it watches foreign keys, the old one
            # cannot be dropped if rows refer to it; they are checked at the end instead.
            engine = create_engine(engine.url).execution_options(begin="BEGIN IMMEDIATE")
            _use_own_transactions(engine, [p for p in _PRAGMAS if p != _WATCH_FOREIGN_KEYS])
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            if self._is_sqlite:
                _check_foreign_keys(connection)
        if engine is not self._writing:
            engine.dispose()


def upsert(session: Session, table: type[Base], *changed: str) -> Insert:
    """An insert that gives a row which is there already the new values of `changed`."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(table)
    return statement.on_conflict_do_update(
        index_elements=list(inspect(table).primary_key),
        set_={name: statement.excluded[name] for name in changed},
    )


def _check_foreign_keys(connection: Connection) -> None:
    lost = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if lost:
        raise SettingsError(
            f"The database was not brought up to date: {len(lost)} rows refer to others that are "
            f"not there (the first one in {lost[0][0]}). It is as it was; restore a backup."
        )


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        why = str(error.orig)
        if "locked" in why:
            raise DatabaseBusy(
                "The database is locked by another program (a backup, a second server, a network "
                "disk). Nothing was changed; end that program, then try again."
            ) from error
        if any(words in why for words in _NO_ROOM):
            raise DatabaseFull(
                f"The server cannot write its database ({why}): nothing was changed. Tell the "
                "operator to make room on its disk, or to correct the rights; then try again."
            ) from error
        raise


def _looking_only(url: str) -> str:
    """The address of the same SQLite file that cannot be written through."""
    path = make_url(url).database or ""
    return f"sqlite:///file:{quote(path)}?mode=ro&uri=true"


def _use_own_transactions(engine: Engine, pragmas: Sequence[str]) -> None:
    """Take BEGIN out of the driver's hands and set the pragmas of every new connection."""

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        begin = connection.get_execution_options().get("begin", "BEGIN")
        connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if begin == 'BEGIN' else 'OFF'}")
        connection.exec_driver_sql(begin)
