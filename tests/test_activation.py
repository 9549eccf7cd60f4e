"""Codes: how they are made and compared, how often one may try, what a guesser learns."""

from datetime import timedelta

import pytest

from blossomtune_gradio.errors import BlossomError, InvalidInput, NotPossible
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.people import activation
from blossomtune_gradio.services.people.limits import Limits, Shares, TooOften
from blossomtune_gradio.services.people.participants import ParticipantService
from blossomtune_gradio.store.models import Mail, Participant
from blossomtune_gradio.store.models import ParticipantStatus as Status
from tests.people import ADMIN, ask, mailed_code, person

ADA, BOB = person("ada"), person("bob")


@pytest.fixture
def outbox(database):
    return Outbox(database)


@pytest.fixture
def people(database, settings, options, outbox):
    return ParticipantService(database, settings, options, outbox, lambda: None)


def answer(people, user, code) -> tuple[str, int]:
    """What somebody who types a code is told, and with which status."""
    try:
        people.confirm(user, code)
    except BlossomError as error:
        return str(error), error.status
    return "confirmed", 200


def somebody(name: str, client: str) -> User:
    return User(provider="hf", sub=name, name=name, role=Role.PARTICIPANT, address=client)


def test_codes_have_no_letters_that_look_alike_and_never_repeat():
    codes = {activation.new_code() for _ in range(500)}
    assert len(codes) == 500
    assert not set("".join(codes)) & set("0O1Il")
    assert all(len(code) == 8 for code in codes)


@pytest.mark.parametrize("typed", ["abcd-efgh", " ABCD EFGH ", "ABCDEFGH\n", "a b c d e f g h"])
def test_case_blanks_and_dashes_are_forgiven(typed):
    assert activation.matches(typed, activation.digest("ABCDEFGH"))


@pytest.mark.parametrize("typed", ["", "ABCD-EFGI", "\ud800", "é" * 8, "A" * 10_000_000, "\x00"])
def test_anything_else_is_just_wrong(typed):
    assert not activation.matches(typed, activation.digest("ABCDEFGH"))


def test_a_code_that_does_not_fit_tells_nothing_of_others(people, outbox, database):
    ask(people, ADA)
    ask(people, BOB)
    foreign, own = mailed_code(outbox, BOB), mailed_code(outbox, ADA)
    for left, typed in ((4, "AAAA-AAAA"), (3, foreign), (2, "")):
        assert answer(people, ADA, typed) == (f"This code is wrong; {left} tries left.", 422)
    answers = {"stranger": answer(people, person("carl"), own)}
    with database.write() as session:
        session.query(Participant).filter_by(username="ada").one().code_expires_at -= timedelta(
            minutes=16
        )
    answers["expired"] = answer(people, ADA, own)
    people.confirm(BOB, foreign)
    answers["used"] = answer(people, BOB, foreign)
    assert len(set(answers.values())) == 1, answers
    assert answers["used"][1] == 422


def test_a_thousand_guesses_lock_out_and_tell_nothing_of_the_address(people, outbox):
    """After the few tries a person has, one with a request and one without are told the same."""
    ask(people, ADA)
    code = mailed_code(outbox, ADA)
    guesses = [f"AAAA-{number:04d}" for number in range(1000)]
    known = [answer(people, ADA, guess) for guess in guesses]
    unknown = [answer(people, BOB, guess) for guess in guesses]
    assert known[4:] == unknown[4:]
    assert known[4] == ("This code is not valid (any more). Ask for a new one.", 422)
    assert known[20] == ("Too many wrong codes. Wait an hour, then ask for a new code.", 429)
    assert set(known[20:]) == {known[20]}
    assert answer(people, ADA, code) == known[20]  # the right one does not get through either
    assert people.mine(ADA).status is Status.REQUESTED


def test_many_accounts_of_one_client_are_locked_out_together(people):
    answers = [
        answer(people, somebody(f"p{number}", "203.0.113.7"), "AAAA-AAAA") for number in range(201)
    ]
    assert [status for _, status in answers] == [422] * 200 + [429]
    assert answer(people, somebody("other", "203.0.113.8"), "AAAA-AAAA")[1] == 422


def test_a_mailbox_is_not_filled_by_many_people(people):
    for number in range(5):
        user = somebody(f"p{number}", f"203.0.113.{number}")
        people.request_access(user, f"Site {number}", "victim@example.org")
        people.withdraw(user)
    with pytest.raises(TooOften, match=r"Ask again in \d+ seconds"):
        people.request_access(somebody("p6", "203.0.113.6"), "Site 6", "victim@example.org")


def test_one_person_gets_ten_codes_an_hour_whatever_the_address(people, database):
    for number in range(10):
        people.request_access(ADA, "North", f"box{number}@example.org")
        people.withdraw(ADA)
    with pytest.raises(TooOften):
        people.request_access(ADA, "North", "box10@example.org")
    with database.read() as session:
        assert session.query(Mail).filter_by(kind="code").count() == 10


def test_the_wait_is_told_before_somebody_has_to_try(database, settings, options, outbox):
    limits = Limits(Shares(codes_per_person=1))
    people = ParticipantService(database, settings, options, outbox, lambda: None, limits)
    ask(people, ADA)
    assert 3500 < people.resend_wait(ADA) <= 3600
    with database.write() as session:
        session.query(Participant).one().code_sent_at = None
    with pytest.raises(NotPossible, match="Ask again in 3"):
        people.resend(ADA)


def test_refused_requests_count_so_that_nobody_tries_out_addresses(people):
    people.request_access(BOB, "South", "bob@example.org")
    for number in range(4):  # the fifth code of this mailbox
        with pytest.raises(NotPossible, match="taken by another request"):
            people.request_access(ADA, f"North {number}", "bob@example.org")
    with pytest.raises(TooOften):
        people.request_access(ADA, "North", "bob@example.org")


def test_who_never_proves_an_address_does_not_keep_it_from_its_owner(people, outbox, database):
    people.request_access(BOB, "North", "ada@example.org")
    with pytest.raises(NotPossible):
        people.request_access(ADA, "North", "ada@example.org")
    with database.write() as session:
        session.query(Participant).one().code_expires_at -= timedelta(minutes=16)
    people.request_access(ADA, "North", "ada@example.org")
    left = people.mine(BOB)
    assert (left.status, left.decided_name) == (Status.WITHDRAWN, "BlossomTune")
    assert "was not proven in time" in left.reason
    assert people.confirm(ADA, mailed_code(outbox, ADA)).status is Status.CONFIRMED


def test_a_code_is_worth_nothing_after_the_request_has_ended(people, outbox):
    asked = ask(people, ADA)
    code = mailed_code(outbox, ADA)
    people.deny(asked.id, ADMIN)
    with pytest.raises(InvalidInput):
        people.confirm(ADA, code)
    assert people.mine(ADA).status is Status.DENIED
