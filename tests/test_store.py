"""The database: migrations, transactions, constraints and legal moves."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError

from blossomtune_gradio.errors import DatabaseBusy, NotPossible, SettingsError
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import (
    PARTICIPANT_MOVES,
    Base,
    Option,
    Participant,
    ParticipantStatus,
    now,
)


@pytest.fixture
def database(tmp_path: Path):
    made = Database(f"sqlite:///{tmp_path / 'test.db'}")
    yield made
    made.close()


def _participant(name: str, **more: object) -> Participant:
    return Participant(user_id=f"local:{name}", site=name, email=f"{name}@example.org", **more)


def test_the_migrations_make_the_very_tables_the_models_name(database: Database):
    with database.read() as session:
        context = MigrationContext.configure(session.connection())
        assert compare_metadata(context, Base.metadata) == []


def test_a_database_opens_again_with_everything_in_it(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'test.db'}"
    first = Database(url)
    moment = now()
    with first.write() as session:
        session.add(_participant("north", requested_at=moment))
    first.close()
    second = Database(url)
    with second.read() as session:
        assert session.query(Participant).one().requested_at == moment
    second.close()


def test_a_folder_that_is_not_there_is_named_in_a_sentence(tmp_path: Path):
    with pytest.raises(SettingsError, match="cannot be used"):
        Database(f"sqlite:///{tmp_path / 'nowhere' / 'test.db'}")


def test_two_participants_cannot_own_one_partition(database: Database):
    with pytest.raises(IntegrityError), database.write() as session:
        session.add_all([_participant("a", partition_id=3), _participant("b", partition_id=3)])
    with database.read() as session:
        assert session.query(Participant).count() == 0


def test_only_the_moves_of_the_table_are_possible():
    for old, allowed in PARTICIPANT_MOVES.items():
        for new in ParticipantStatus:
            one = _participant("x", status_word=old.value)
            if new in allowed:
                one.move_to(new)
                assert one.status is new
            else:
                with pytest.raises(NotPossible, match="cannot become"):
                    one.move_to(new)


@pytest.mark.concurrent
def test_many_threads_that_read_and_then_write_never_meet_a_locked_database(database: Database):
    with database.write() as session:
        session.add(Option(name="count", value="0"))

    def increment(_: int) -> None:
        with database.write() as session:
            option = session.get_one(Option, "count")
            option.value = str(int(option.value) + 1)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(increment, range(200)))
    with database.read() as session:
        assert session.get_one(Option, "count").value == "200"


def test_a_database_that_another_program_locks_is_told_in_a_sentence(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'test.db'}"
    ours = Database(url)
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy, match="locked by another program"), ours.write() as session:
        session.add(_participant("late"))
    other.execute("ROLLBACK")
    other.close()
    with ours.write() as session:
        session.add(_participant("in time"))
    ours.close()
