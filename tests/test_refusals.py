"""What is refused is in the trail, with its number, and can never fill a disk."""

import logging
from dataclasses import replace

import pytest
from sqlalchemy import select, text

from blossomtune_gradio.errors import DatabaseFull, NotAllowed, NotFound
from blossomtune_gradio.identity import LOCAL_ADMIN, OPERATOR, STRANGER, SYSTEM, Role, User
from blossomtune_gradio.providers import Provider
from blossomtune_gradio.services.audit.refusals import BURST, Refusals
from blossomtune_gradio.services.people.accounts import AccountService
from blossomtune_gradio.services.people.pins import Person
from blossomtune_gradio.services.people.tokens import TokenNotValid, TokenService, state_of
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.later import Later
from blossomtune_gradio.store.models import Account, AuditEntry, now
from tests.people import person


class Clock:
    """Seconds that a test passes itself."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(caplog) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "blossomtune_gradio")
    return caplog


@pytest.fixture
def later(database) -> Later:
    return Later(database)


@pytest.fixture
def refusals(later, clock) -> Refusals:
    return Refusals(later, clock)


def at(address: str) -> User:
    return replace(STRANGER, address=address)


def entries(database, later) -> list[AuditEntry]:
    assert later.flush()
    with database.read() as session:
        return list(session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


def test_the_first_is_an_entry_at_once_and_those_of_the_next_minute_are_one(
    database, refusals, later, clock, log
):
    told = [refusals.note("token.refused", at("203.0.113.7"), "unknown", "token:none")]
    assert len(entries(database, later)) == 1
    for _ in range(50):
        told.append(refusals.note("token.refused", at("203.0.113.7"), "unknown", "token:none"))
        refusals.settle()
    assert len(entries(database, later)) == 1
    clock.now = 61
    refusals.settle()
    first, second = entries(database, later)
    assert (first.after["count"], second.after["count"]) == (1, 50)
    assert first.address == "203.0.113.7"
    found = {*first.after["references"], *second.after["references"]}
    assert set(told) == found  # every number that somebody was told is found again
    assert {number for number in found if any(number in line for line in log.messages)} == found


def test_kinds_and_addresses_are_apart_and_one_ipv6_network_is_one(database, refusals, later):
    for address in ("203.0.113.7", "203.0.113.8", "2001:db8::1", "2001:db8::2"):
        refusals.note("token.refused", at(address), "unknown", "token:none")
    refusals.note("kit.refused", at("203.0.113.7"), "expired", "kit:join")
    assert len(entries(database, later)) == 4


def test_a_stranger_with_any_number_of_addresses_fills_no_disk(database, refusals, later, clock):
    for second in range(0, 3600, 6):
        clock.now = second
        for number in range(20):
            address = f"10.{second % 250}.{second // 250}.{number}"
            refusals.note("account.refused", at(address), "no", "provider:kc")
        refusals.settle()
    clock.now += 601
    refusals.settle()
    found = entries(database, later)
    assert len(found) <= BURST + 60 + 7 + 11
    assert sum(entry.after["count"] for entry in found) == 600 * 20  # none is lost
    assert len(refusals._windows) <= BURST + 60


def test_what_cannot_be_written_waits_and_is_written_later(database, later, refusals):
    refusals.note("token.refused", at("10.0.0.1"), "unknown", "token:none")
    broken = []

    def fails(_session: object) -> None:
        broken.append(1)
        if len(broken) == 1:
            raise DatabaseFull("no room")

    later.put("x", fails)
    assert later.flush() is False
    assert later.flush() is True
    assert len(entries(database, later)) == 1


# -- tokens end with their makers --------------------------------------------------------------


def provided(settings: Settings, **names: str) -> Settings:
    given = {name: frozenset((value,)) for name, value in names.items()}
    hf = Provider(
        name="hf", label="", issuer="https://hf.example", client_id="c", client_secret="s"
    )
    return Settings(data_dir=settings.data_dir, providers=(hf,), **given)


def services(database, settings, **names: str) -> tuple[AccountService, TokenService]:
    accounts = AccountService(database, provided(settings, **names))
    return accounts, TokenService(database, accounts.role_of)


def test_a_token_never_has_more_than_its_maker_at_this_moment(database, settings):
    accounts, tokens = services(database, settings, admins="hf:ada")
    boss = accounts.user_of(accounts.sign_in(Person(provider="hf", sub="1", username="ada")))
    token, secret = tokens.create(boss, "x", "admin")
    child, child_secret = tokens.create(tokens.user(secret), "of x", "admin")
    assert tokens.user(child_secret).role is Role.ADMIN
    for names, role in (
        ({"admins": "hf:ada"}, Role.ADMIN),
        ({"researchers": "hf:ada"}, Role.RESEARCHER),
        ({"researchers": "hf:sub:1"}, Role.RESEARCHER),
        ({}, Role.PARTICIPANT),
    ):
        _, now_so = services(database, settings, **names)
        assert now_so.user(secret).role is role
        assert now_so.user(child_secret).role is role
    with database.write() as session:
        session.execute(text("DELETE FROM sign_ins"))
        session.delete(session.get_one(Account, "hf:1"))
    for each in (secret, child_secret):
        with pytest.raises(TokenNotValid) as refused:
            tokens.user(each)
        assert "ended" in refused.value.reason
    assert [state_of(one, now()) for one in tokens.list(SYSTEM)] == ["ended", "ended"]
    assert child.id > token.id


def test_a_token_that_a_revoked_token_made_ends_with_it(database, settings):
    accounts, tokens = services(database, settings, admins="hf:ada")
    boss = accounts.user_of(accounts.sign_in(Person(provider="hf", sub="1", username="ada")))
    token, secret = tokens.create(boss, "stolen", "admin")
    _, child = tokens.create(tokens.user(secret), "hidden", "admin")
    tokens.revoke(token.id, boss)
    with pytest.raises(TokenNotValid):
        tokens.user(child)


def test_what_the_command_line_made_outlives_a_restart(database, settings, tmp_path):
    _, tokens = services(database, settings)
    tokens.hand_out_locally(tmp_path, "http://x")
    local = tokens.list(SYSTEM)[0]
    by = User(provider="token", sub=str(local.id), name="cli", role=Role.ADMIN)
    _, secret = tokens.create(by, "for the script", "researcher")
    _, beside = tokens.create(OPERATOR, "beside the server", "admin")
    tokens.hand_out_locally(tmp_path, "http://x")
    assert tokens.user(secret).role is Role.RESEARCHER
    assert tokens.user(beside).role is Role.ADMIN


def test_local_mode_s_tokens_end_when_people_sign_in(database, settings):
    local = TokenService(database, AccountService(database, settings).role_of)
    _, secret = local.create(LOCAL_ADMIN, "x", "admin")
    assert local.user(secret).role is Role.ADMIN
    with pytest.raises(TokenNotValid):
        services(database, settings)[1].user(secret)


def test_an_admin_ends_the_sessions_of_somebody_else(database, settings):
    accounts, _ = services(database, settings)
    ids = [accounts.sign_in(Person(provider="hf", sub="1", username="ada")) for _ in range(3)]
    other = accounts.sign_in(Person(provider="hf", sub="2", username="bob"))
    with pytest.raises(NotAllowed):
        accounts.end_sessions("hf:1", person("eve"))
    with pytest.raises(NotFound):
        accounts.end_sessions("hf:9", SYSTEM)
    assert accounts.end_sessions("hf:1", SYSTEM) == 3
    assert {accounts.user_of(one).role for one in ids} == {Role.ANYONE}
    assert accounts.user_of(other).role is Role.PARTICIPANT
    with database.read() as session:
        last = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert (last.action, last.target, last.after) == (
            *("account.end_sessions", "account:hf:1"),
            {"sessions": 3},
        )


# -- reading needs no writing ------------------------------------------------------------------


def test_a_session_for_reading_cannot_write(database):
    with pytest.raises(DatabaseFull, match="readonly"), database.read() as session:
        session.execute(text("DELETE FROM accounts"))
    with database.write() as session:
        session.execute(text("DELETE FROM accounts"))


def fill(database: Database) -> None:
    with database.write() as session:
        session.execute(text("PRAGMA max_page_count = 1"))  # of this connection: no page more
        for number in range(200):
            session.add(Account(id=f"hf:x{number}", provider="hf", username="y" * 4000))
            session.flush()


def test_a_full_database_is_told_in_a_sentence_and_still_read(database, settings):
    accounts, tokens = services(database, settings, admins="hf:sub:1")
    session_id = accounts.sign_in(Person(provider="hf", sub="1", username="ada"))
    boss = accounts.user_of(session_id)
    _, secret = tokens.create(boss, "x", "admin")
    with pytest.raises(DatabaseFull, match="make room"):
        fill(database)
    assert accounts.user_of(session_id).role is Role.ADMIN
    assert tokens.user(secret).role is Role.ADMIN


def test_who_looks_waits_for_no_lock(database, settings):
    accounts, tokens = services(database, settings, admins="hf:sub:1")
    session_id = accounts.sign_in(Person(provider="hf", sub="1", username="ada"))
    _, secret = tokens.create(accounts.user_of(session_id), "x", "admin")
    with database.write() as session:
        session.execute(text("UPDATE accounts SET last_seen = '2020-01-01 00:00:00.000000'"))
    with database.write():  # somebody else writes all the time
        assert accounts.user_of(session_id).role is Role.ADMIN
        assert tokens.user(secret).role is Role.ADMIN
