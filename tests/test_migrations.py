"""A filled database of the first days is brought up to date with every row in it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError

import blossomtune_gradio.store as store
from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import Mail, MetricPoint, NodeKey, Participant, Run, Wish

FIRST_DAYS = """
INSERT INTO participants VALUES (1, 'local:north', 'Zürich', 'North@example.org', 'Clinic', 'hi',
  'approved', 0, '', NULL, 0, 'hash', NULL, '2026-01-01 10:00:00', '2026-01-02 10:00:00', '', '');
INSERT INTO node_keys VALUES ('SHA256:abc', 1, 'pem', '123', '2026-01-03 10:00:00', NULL);
INSERT INTO mails VALUES (1, 'n@example.org', 'Your code', 'body', 'sent', '2026-01-01 10:00:00');
INSERT INTO runs VALUES (1, 'first', 'quickstart_huggingface', '{"num-server-rounds": 3}', 2,
  'completed', '', 'flwr run', 'key', '77', 3, 3, 'boss', '2026-01-04 10:00:00', NULL, NULL, '');
INSERT INTO metric_points VALUES (1, 'accuracy', '', 1, 0.8), (1, 'accuracy', '0', 1, NULL);
INSERT INTO options VALUES ('partitions', '5');
"""
LIVE_RUN = (
    "INSERT INTO runs (id, name, app, config, partitions, status, cause, command, round, rounds,"
    " created_by, created_at, stop_asked_by, stop_reason, flower_run_id) VALUES"
    " (?, ?, 'app', '{}', 1, ?, ?, '', 0, 0, 'x', '2026-01-04 10:00:00', ?, ?, ?)"
)


def at_revision(file: Path, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
    engine.dispose()


@pytest.fixture
def first_days(tmp_path: Path) -> Path:
    """A database as revision 0001 left it, with a row in each table."""
    file = tmp_path / "old.db"
    at_revision(file, "0001")
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(FIRST_DAYS)
    return file


def test_everything_is_still_there(first_days: Path):
    database = Database(f"sqlite:///{first_days}")
    with database.read() as session:
        north = session.query(Participant).one()
        key, mail, run = (session.query(kind).one() for kind in (NodeKey, Mail, Run))
        values = {(p.site, p.round): p.value for p in session.query(MetricPoint)}
    database.close()
    assert (north.site, north.partition_id, north.token_hash) == ("Zürich", 0, "hash")
    assert (key.participant_id, key.node_id, key.bytes_sent) == (1, "123", 0)
    assert (mail.subject, mail.tries) == ("Your code", 0)
    assert (run.name, run.config, run.flower_run_id) == ("first", {"num-server-rounds": 3}, "77")
    assert values == {("", 1): 0.8, ("0", 1): None}


def test_rows_still_belong_together(first_days: Path):
    Database(f"sqlite:///{first_days}").close()
    with closing(sqlite3.connect(first_days)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        [(sql,)] = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'node_keys'")
    assert "REFERENCES participants" in sql


def test_a_row_that_refers_to_nothing_is_told_and_nothing_changes(first_days: Path):
    with closing(sqlite3.connect(first_days)) as connection, connection:
        connection.execute("UPDATE node_keys SET participant_id = 7")
    with pytest.raises(SettingsError, match=r"1 rows refer .* node_keys"):
        Database(f"sqlite:///{first_days}")
    with closing(sqlite3.connect(first_days)) as connection:
        [version] = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        columns = connection.execute("SELECT * FROM participants").description
    assert (version, len(columns)) == ("0001", 17)


@pytest.mark.parametrize(
    ("status", "cause", "by", "reason", "wish", "now_says"),
    [
        ("running", "", "", "submit again", Wish.AGAIN, ("", "", "", "")),
        ("running", "", "ada", "", Wish.STOP, ("ada", "", "", "")),
        ("running", "Too few.", "B", "quorum", Wish.STOP, ("B", "quorum", "Too few.", "Too few.")),
        ("stopped", "Too few.", "B", "quorum", Wish.NONE, ("B", "quorum", "Too few.", "Too few.")),
        ("failed", "Flower's.", "", "submit again", Wish.NONE, ("", "", "", "Flower's.")),
        ("queued", "", "", "", Wish.NONE, ("", "", "", "")),
    ],
)
def test_a_wish_that_is_under_way_is_still_wanted(
    first_days: Path, status, cause, by, reason, wish, now_says
):
    at_revision(first_days, "0009")
    with closing(sqlite3.connect(first_days)) as connection, connection:
        connection.execute(LIVE_RUN, (2, "second", status, cause, by, reason, "78"))
    database = Database(f"sqlite:///{first_days}")
    with database.read() as session:
        run = session.get_one(Run, 2)
    database.close()
    assert run.wish is wish
    assert (run.stop_asked_by, run.stop_code, run.stop_sentence, run.reason) == now_says
    assert (run.runtime, run.flower_run_id) == ("deployed", "78")


def test_two_runtimes_may_give_one_number_and_one_runtime_may_not(first_days: Path):
    database = Database(f"sqlite:///{first_days}")

    def add(name: str, runtime: str) -> None:
        with database.write() as session:
            run = Run(name=name, app="a", config={}, partitions=1, created_by="x")
            run.runtime, run.flower_run_id = runtime, "77"
            session.add(run)

    add("elsewhere", "another")
    with pytest.raises(IntegrityError):
        add("here", "deployed")
    database.close()
