"""The audit trail: every tampering is found and named; what is exported can be checked again."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from blossomtune_gradio.errors import NotAllowed
from blossomtune_gradio.identity import User
from blossomtune_gradio.services.audit.chain import BEGINNING, Seal, SealBroken
from blossomtune_gradio.services.audit.export import entry_of, exported
from blossomtune_gradio.services.audit.trail import AuditFilter, AuditLog, fingerprint, record
from blossomtune_gradio.services.options import Options
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import AuditEntry
from tests.people import ADMIN, person
from tests.support import wait_for

ADA = User(provider="hf", sub="ada", name="Ada", role=ADMIN.role, address="192.0.2.7")
WIDE_EQUALS = "\uff1d"
HOSTILE = "=cmd|'/c calc'!A1\x1b[31m\r\n\u202egnp.exe<script>alert(1)</script>"


@pytest.fixture
def log(database: Database, settings: Settings) -> Iterator[AuditLog]:
    made = AuditLog(database, settings.data_dir)
    made.open()
    yield made
    made.close()


@pytest.fixture
def file(settings: Settings) -> Path:
    return settings.data_dir / "blossomtune.db"


def write(log: AuditLog, count: int = 10) -> None:
    """Some entries, sealed."""
    for number in range(1, count + 1):
        log.note(ADA, f"run.{'start' if number % 2 else 'stop'}", f"run:{number}", after={"n": 1})
    log.seal()


def tamper(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def rehash(file: Path, first: int) -> None:
    """Make the chain consistent again from an entry on, as a clever intruder would."""
    database = Database(f"sqlite:///{file}")
    with database.write() as session:
        previous = session.get(AuditEntry, first - 1)
        last = previous.hash if previous else BEGINNING
        for entry in session.query(AuditEntry).where(AuditEntry.id >= first).order_by("id"):
            entry.previous = last
            entry.hash = last = fingerprint(entry)
    database.close()


SWAP = (
    "UPDATE audit_entries SET id = 900 WHERE id = 5",
    "UPDATE audit_entries SET id = 5 WHERE id = 6",
    "UPDATE audit_entries SET id = 6 WHERE id = 900",
)
COLUMNS = "at, actor, actor_name, address, action, target, target_name, before, after, previous"
TAMPERINGS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "an edited actor": (("UPDATE audit_entries SET actor='hf:eve' WHERE id=5",), 5, "changed"),
    "an edited time": (
        ("UPDATE audit_entries SET at='2020-01-01 00:00:00.000000' WHERE id=1",),
        1,
        "changed",
    ),
    "an edited value": (
        ("""UPDATE audit_entries SET after='{"n": 2}' WHERE id=7""",),
        7,
        "changed",
    ),
    "a deleted entry": (("DELETE FROM audit_entries WHERE id=5",), 5, "missing"),
    "a deleted beginning": (("DELETE FROM audit_entries WHERE id<4",), 1, "missing"),
    "two exchanged entries": (SWAP, 5, "moved"),
    "a cut end": (("DELETE FROM audit_entries WHERE id>8",), 9, "cut off"),
    "an emptied table": (("DELETE FROM audit_entries",), 1, "cut off"),
    "an entry put in": (
        (
            "UPDATE audit_entries SET id = -id WHERE id > 5",
            f"INSERT INTO audit_entries (id, {COLUMNS}, hash) SELECT 6, {COLUMNS}, 'x' "
            "FROM audit_entries WHERE id = 5",
            "UPDATE audit_entries SET id = 1 - id WHERE id < 0",
        ),
        6,
        "changed or moved",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampering_is_found_and_the_first_bad_entry_is_named(log, file, name):
    statements, bad, word = TAMPERINGS[name]
    write(log)
    assert log.verify(ADMIN, afresh=True).good
    tamper(file, *statements)
    verdict = log.verify(ADMIN, afresh=True)
    assert (verdict.good, verdict.entry) == (False, bad)
    assert word in verdict.sentence
    assert str(bad) in verdict.sentence


@pytest.mark.parametrize("first", [1, 5, 10])
def test_a_chain_that_was_written_anew_does_not_fit_the_sealed_head(log, file, first):
    write(log)
    tamper(file, f"UPDATE audit_entries SET actor='hf:eve' WHERE id={first}")
    rehash(file, first)
    verdict = log.verify(ADMIN, afresh=True)
    assert (verdict.good, verdict.entry) == (False, 10)
    assert "written anew" in verdict.sentence


def test_entries_that_changed_places_and_carry_fresh_hashes_break_the_links(log, file):
    write(log)
    tamper(file, *SWAP)
    database = Database(f"sqlite:///{file}")
    with database.write() as session:
        for number in (5, 6):
            entry = session.get_one(AuditEntry, number)
            entry.hash = fingerprint(entry)
    database.close()
    verdict = log.verify(ADMIN, afresh=True)
    assert (verdict.good, verdict.entry) == (False, 5)
    assert "does not follow entry 4" in verdict.sentence


@pytest.mark.parametrize("damage", ["gone", "forged", "garbage", "other key"])
def test_a_head_that_cannot_be_believed_is_said_so(log, settings, damage):
    write(log)
    key, head = Seal(settings.data_dir).files
    match damage:
        case "gone":
            head.unlink()
        case "forged":
            head.write_text(head.read_text().replace('"number": 10', '"number": 3'))
        case "garbage":
            head.write_bytes(b"\x00")
        case "other key":
            key.write_text("0" * 64)
    verdict = log.verify(ADMIN, afresh=True)
    assert not verdict.good
    assert "audit.head" in verdict.sentence


def test_a_broken_trail_is_never_sealed_as_if_it_were_whole(log, file, settings):
    write(log)
    tamper(file, "DELETE FROM audit_entries WHERE id>8")
    log.note(ADA, "run.start", "run:11")
    with pytest.raises(SealBroken, match="Entry 10"):
        log.seal()
    assert Seal(settings.data_dir).read().number == 10
    assert not log.verify(ADMIN, afresh=True).good


def test_each_commit_is_sealed_by_itself_and_only_the_owner_reads_the_key(log, settings):
    log.note(ADA, "run.start", "run:1")
    seal = Seal(settings.data_dir)
    wait_for(lambda: seal.read().number == 1)
    for path in seal.files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_after_a_crash_the_head_lags_behind_and_catches_up_at_the_next_start(database, settings):
    first = AuditLog(database, settings.data_dir)
    first.begin()
    write(first, 3)
    with database.write() as session:  # committed, but killed before the head was written
        record(session, ADA, "run.stop", "run:4")
    assert Seal(settings.data_dir).read().number == 3
    assert first.verify(ADMIN, afresh=True).good
    second = AuditLog(database, settings.data_dir)
    second.open()
    wait_for(lambda: Seal(settings.data_dir).read().number == 4)
    second.close()


def test_what_is_rolled_back_leaves_neither_entry_nor_head(log, database, settings):
    write(log, 2)

    def change() -> None:
        with database.write() as session:
            record(session, ADA, "run.start", "run:3")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change()
    log.seal()
    assert Seal(settings.data_dir).read().number == 2
    assert log.verify(ADMIN, afresh=True).entries == 2


def test_a_new_key_over_an_old_trail_leaves_a_trace(log, database, settings):
    write(log, 2)
    log.close()
    for path in Seal(settings.data_dir).files:
        path.unlink()
    again = AuditLog(database, settings.data_dir)
    again.begin()
    again.seal()
    assert again.entries(ADMIN).entries[0].action == "audit.seal"
    assert again.verify(ADMIN, afresh=True).good


def test_filters_and_paging_find_everything_once(log):
    write(log, 25)
    log.note(person("eve"), "participant.request", "participant:7", target_name="North 100%")
    page, seen = log.entries(ADMIN, limit=10), []
    while True:
        seen += [entry.id for entry in page.entries]
        if page.before is None:
            break
        page = log.entries(ADMIN, before=page.before, limit=10)
    assert seen == list(range(26, 0, -1))
    for wanted, count in (
        (AuditFilter(action="run.start"), 13),
        (AuditFilter(action="run."), 25),
        (AuditFilter(actor="ada"), 25),
        (AuditFilter(actor="local:eve"), 1),
        (AuditFilter(target="run:3"), 1),
        (AuditFilter(target="100%"), 1),
        (AuditFilter(text="%"), 1),
        (AuditFilter(text="192.0.2"), 25),
        (AuditFilter(since=log.entries(ADMIN).entries[0].at, actor="eve"), 1),
        (AuditFilter(until=log.entries(ADMIN).entries[-1].at), 0),
    ):
        assert log.entries(ADMIN, wanted).total == count, wanted


def test_only_an_admin_reads_exports_or_checks_the_trail(log):
    for look in (log.entries, log.all_entries, log.verify):
        with pytest.raises(NotAllowed):
            look(person("ada"))


def test_json_lines_carry_everything_that_is_needed_to_check_the_chain_again(log):
    write(log, 600)
    log.note(ADA, "participant.deny", "participant:1", target_name=HOSTILE, after={"why": HOSTILE})
    lines = "".join(exported(log.all_entries(ADMIN), "jsonl")).splitlines()
    assert all(line.isascii() and line.isprintable() for line in lines)
    entries = [entry_of(json.loads(line)) for line in lines]
    assert [entry.id for entry in entries] == list(range(1, 602))
    assert all(fingerprint(entry) == entry.hash for entry in entries)
    assert entries[-1].target_name == HOSTILE


@pytest.mark.parametrize(
    "name", [HOSTILE, "+1", "-1", "@sum", "\tx", " =1+1", WIDE_EQUALS + "1", "\x00=1", "a\u2028b"]
)
def test_no_cell_of_the_csv_is_a_formula_or_carries_control_characters(log, name):
    log.note(ADA, "participant.deny", "participant:1", target_name=name, after={"why": name})
    text = "".join(exported(log.all_entries(ADMIN), "csv"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 1
    for value in rows[0].values():
        assert value.isprintable()
        assert value.lstrip()[:1] not in ("=", "+", "-", "@", WIDE_EQUALS)


def test_a_change_of_the_partitions_is_an_entry_with_before_and_after(log, options: Options):
    options.set_partitions(5, ADA)
    options.set_partitions(5, ADA)  # nothing changed
    entries = log.entries(ADMIN).entries
    assert [(e.action, e.actor, e.address) for e in entries] == [
        ("partitions.change", "hf:ada", "192.0.2.7")
    ]
    assert (entries[0].before, entries[0].after) == ({"total": 3}, {"total": 5})


def blossomtune(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "blossomtune_gradio.cli", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def test_the_command_line_checks_a_trail_beside_a_running_server(log, file, settings):
    write(log)
    where = ("--data-dir", str(settings.data_dir))
    good = blossomtune("audit", "verify", *where)
    assert (good.returncode, good.stdout) == (0, "PASS  10 entries, unbroken.\n")
    tamper(file, "UPDATE audit_entries SET actor_name='Eve' WHERE id=4")
    bad = blossomtune("audit", "verify", *where)
    assert bad.returncode == 1
    assert bad.stdout.startswith("FAIL  Entry 4 (run.stop by Eve, ")
    told = json.loads(blossomtune("audit", "verify", "--json", *where).stdout)
    assert (told["good"], told["entry"]) == (False, 4)


def test_the_command_line_lists_and_exports_what_fits(log, settings):
    write(log)
    log.note(ADA, "participant.deny", "participant:1", target_name=HOSTILE)
    where = ("--data-dir", str(settings.data_dir))
    listed = blossomtune("audit", "list", *where, "--action", "run.st", "--limit", "3")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["ID", "10", "9", "8"]
    assert "\x1b" not in blossomtune("audit", "list", *where).stdout
    done = blossomtune("audit", "export", *where, "--action", "run.stop")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [2, 4, 6, 8, 10]
    table = blossomtune("audit", "export", *where, "--format", "csv").stdout
    assert len(list(csv.DictReader(io.StringIO(table)))) == 11


def test_without_a_data_directory_the_command_line_says_so(tmp_path):
    done = blossomtune("audit", "verify", "--data-dir", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert "There is no data directory" in done.stderr
