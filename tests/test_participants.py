"""From a request for access to a revocation, against a real database."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from blossomtune_gradio.errors import BlossomError, InvalidInput, NotAllowed, NotPossible
from blossomtune_gradio.identity import STRANGER, Role, User
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.options import Options
from blossomtune_gradio.services.people.participants import ParticipantService
from blossomtune_gradio.store.models import AuditEntry, Mail, NodeKey, Participant
from blossomtune_gradio.store.models import ParticipantStatus as Status
from tests.people import ADMIN, approved, ask, mailed_code, person

ADA, BOB = person("ada"), person("bob")


@pytest.fixture
def changes() -> list[str]:
    return []


@pytest.fixture
def participants(database, settings, options, changes):
    return ParticipantService(
        database, settings, options, Outbox(database), lambda: changes.append("changed")
    )


@pytest.fixture
def outbox(database):
    return Outbox(database)


def test_the_mailed_code_confirms_the_request(participants, outbox):
    ask(participants, ADA)
    code = mailed_code(outbox, ADA)
    assert participants.confirm(ADA, code.lower().replace("-", " ")).status is Status.CONFIRMED


def test_the_code_is_not_kept_in_clear(participants, outbox, database):
    ask(participants, ADA)
    code = mailed_code(outbox, ADA)
    with database.read() as session:
        stored = session.query(Participant).one().code_hash
    assert code.replace("-", "") not in stored
    assert len(stored) == 64


def test_after_five_wrong_tries_the_right_code_is_refused_too(participants, outbox):
    ask(participants, ADA)
    for left in ("4 tries left", "3 tries", "2 tries", "1 try left", "not valid"):
        with pytest.raises(InvalidInput, match=left):
            participants.confirm(ADA, "AAAA-AAAA")
    with pytest.raises(InvalidInput, match="not valid"):
        participants.confirm(ADA, mailed_code(outbox, ADA))


def test_a_code_expires(participants, outbox, database):
    ask(participants, ADA)
    with database.write() as session:
        row = session.query(Participant).one()
        row.code_expires_at -= timedelta(minutes=16)
    with pytest.raises(InvalidInput, match="not valid"):
        participants.confirm(ADA, mailed_code(outbox, ADA))


def test_who_has_asked_for_nothing_has_no_tries(participants):
    with pytest.raises(InvalidInput, match="not valid"):
        participants.confirm(BOB, "AAAA-AAAA")


def test_nobody_is_approved_before_the_address_is_proven(participants):
    asked = ask(participants, ADA)
    with pytest.raises(NotPossible, match="is requested and cannot become approved"):
        participants.approve(asked.id, by=ADMIN)


@pytest.mark.parametrize("user", [STRANGER, BOB, ADA])
def test_only_an_admin_approves_denies_and_revokes(participants, user):
    asked = ask(participants, ADA)
    for act in (participants.approve, participants.deny, participants.revoke):
        with pytest.raises(NotAllowed):
            act(asked.id, by=user)


def test_a_participant_sees_only_their_own_request(participants):
    asked = ask(participants, ADA)
    assert participants.get(asked.id, by=ADA).site == "Site ada"
    with pytest.raises(NotAllowed):
        participants.get(asked.id, by=BOB)
    with pytest.raises(NotAllowed):
        participants.list(by=ADA)


def test_the_lowest_free_partition_is_given(participants, outbox):
    first, second = (approved(participants, outbox, name) for name in ("ada", "bob"))
    assert (first.partition_id, second.partition_id) == (0, 1)
    participants.revoke(first.id, by=ADMIN)
    assert approved(participants, outbox, "carl").partition_id == 0


def test_when_all_partitions_have_owners_the_sentence_says_what_to_do(participants, outbox):
    for name in ("ada", "bob", "carl"):
        approved(participants, outbox, name)
    with pytest.raises(NotPossible, match="All 3 partitions have an owner"):
        approved(participants, outbox, "dora")


@pytest.mark.parametrize("partition", [-1, 3, 99999])
def test_a_partition_that_does_not_exist_is_refused(participants, outbox, partition):
    asked = ask(participants, ADA)
    participants.confirm(ADA, mailed_code(outbox, ADA))
    with pytest.raises(InvalidInput, match="numbered from 0 to 2"):
        participants.approve(asked.id, ADMIN, partition)


@pytest.mark.concurrent
def test_of_many_approvals_at_once_onto_one_partition_one_succeeds(participants, outbox):
    people = [person(f"p{number}") for number in range(8)]
    rows = []
    for user in people:
        rows.append(ask(participants, user))
        participants.confirm(user, mailed_code(outbox, user))

    def approve(row: Participant) -> str:
        try:
            participants.approve(row.id, ADMIN, 1)
        except BlossomError as error:
            return str(error)
        return "approved"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(approve, rows))
    assert answers.count("approved") == 1
    assert all("given to another site" in a for a in answers if a != "approved")


NOT_ONE_ADDRESS = [
    "",
    "ada",
    "a@b",
    "a@evil.org,victim@example.org",
    "a@b.org;c@d.org",
    "a@b.org c@d.org",
    "a b@c.org",
    "a@b..org",
    "a@[::1]",
    '"a b"@c.org',
    "Ada <ada@example.org>",
    "a@b.org\nBcc: x@y.z",
    "a@b.org\r\n.\r\nMAIL",
    "a\x00b@c.org",
    "\ud800@c.org",
    "\u202eada@example.org",
    "ada@exa\x1b[31mmple.org",
    "x" * 10_000_000 + "@example.org",
    "ada@example.org" * 1_000_000,
]


@pytest.mark.parametrize("email", NOT_ONE_ADDRESS, ids=lambda email: ascii(email[:40]))
def test_what_is_not_one_address_is_refused(participants, email):
    with pytest.raises(InvalidInput, match="not one e-mail address"):
        participants.request_access(ADA, "Site", email)
    assert participants.list(by=ADMIN) == []


@pytest.mark.parametrize("site", ["", "  ", "a\x00b", "<script>", "x" * 65])
def test_a_site_name_that_cannot_be_shown_is_refused(participants, site):
    with pytest.raises(InvalidInput, match="site name"):
        participants.request_access(ADA, site, "ada@example.org")


def test_an_address_in_other_letters_is_the_same_address(participants):
    participants.request_access(ADA, "North", "ada@example.org")
    with pytest.raises(NotPossible, match="taken by another request"):
        participants.request_access(BOB, "South", "ADA@Example.org")


@pytest.mark.parametrize(("first", "second"), [("North", "north"), ("Ärzte", "ÄRZTE")])
def test_a_site_name_in_other_capitals_is_the_same_name(participants, first, second):
    participants.request_access(ADA, first, "ada@example.org")
    with pytest.raises(NotPossible, match=f"The site name {first} is taken"):
        participants.request_access(BOB, second, "bob@example.org")
    participants.withdraw(ADA)
    assert participants.request_access(BOB, second, "bob@example.org").site == second


def test_a_mail_domain_of_a_clinics_own_network_is_taken(participants):
    asked = participants.request_access(ADA, "North", "ada@Clinic.local")
    assert asked.email == "ada@clinic.local"


def test_a_revoked_site_loses_partition_and_key_and_may_ask_again(
    participants, outbox, database, changes
):
    row = approved(participants, outbox, "ada")
    with database.write() as session:
        session.add(NodeKey(fingerprint="f", participant_id=row.id, pem="p"))
    before = len(changes)
    gone = participants.revoke(row.id, by=ADMIN, reason="contract ended")
    assert (gone.status, gone.partition_id, gone.reason) == (Status.REVOKED, None, "contract ended")
    assert len(changes) == before + 1
    with database.read() as session:
        assert session.get_one(NodeKey, "f").retired_at is not None
    assert ask(participants, ADA).status is Status.REQUESTED


def test_the_number_of_partitions_cannot_change_under_approved_sites(participants, outbox, options):
    options.set_partitions(4, by=ADMIN)
    assert options.partitions() == 4
    approved(participants, outbox, "ada")
    with pytest.raises(NotPossible, match="split their data into 4 partitions"):
        options.set_partitions(5, by=ADMIN)
    options.set_partitions(4, by=ADMIN)


def test_a_person_finds_their_own_request_and_nobody_elses(participants):
    assert participants.mine(ADA) is None
    ask(participants, ADA)
    assert participants.mine(ADA).site == "Site ada"
    assert participants.mine(BOB) is None


def test_a_code_is_mailed_again_only_after_a_minute_and_replaces_the_one_before(
    participants, outbox, database
):
    ask(participants, ADA)
    old = mailed_code(outbox, ADA)
    assert 0 < participants.resend_wait(ADA) <= 60
    with pytest.raises(NotPossible, match=r"again in \d+ seconds"):
        participants.resend(ADA)
    with database.write() as session:
        session.query(Participant).one().code_sent_at -= timedelta(seconds=61)
    assert participants.resend_wait(ADA) == 0
    participants.resend(ADA)
    with pytest.raises(InvalidInput):
        participants.confirm(ADA, old)
    assert participants.confirm(ADA, mailed_code(outbox, ADA)).status is Status.CONFIRMED
    assert participants.resend_wait(ADA) == 0
    with pytest.raises(NotPossible, match="needs no code"):
        participants.resend(ADA)


def test_who_withdraws_loses_partition_and_key_and_may_ask_again(
    participants, outbox, database, changes
):
    row = approved(participants, outbox, "ada")
    with database.write() as session:
        session.add(NodeKey(fingerprint="f", participant_id=row.id, pem="p"))
    before = len(changes)
    gone = participants.withdraw(ADA)
    assert (gone.status, gone.partition_id) == (Status.WITHDRAWN, None)
    assert len(changes) == before + 1
    with database.read() as session:
        assert session.get_one(NodeKey, "f").retired_at is not None
    with pytest.raises(NotPossible):
        participants.withdraw(ADA)
    assert ask(participants, ADA).status is Status.REQUESTED


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Ada@EXAMPLE.org ", "ada@example.org"),
        ("ada@b\u00fccher.example", "ada@xn--bcher-kva.example"),
        ("ada@bu\u0308cher.example", "ada@xn--bcher-kva.example"),  # the same, in two signs
        ("ada@ex\u0430mple.org", "ada@xn--exmple-4nf.org"),  # a Cyrillic letter: seen to be foreign
        ("ada@\uff45xample.org", "ada@example.org"),  # a wide letter is the letter
    ],
)
def test_an_address_is_kept_in_one_spelling(participants, typed, kept):
    assert participants.request_access(ADA, "North", typed).email == kept


@pytest.mark.parametrize("site", ["Ch\u0430rite", "\u0421OAX", "N\u03bfrth"])
def test_a_site_name_of_two_alphabets_that_look_alike_is_refused(participants, site):
    with pytest.raises(InvalidInput, match="some of which look alike"):
        participants.request_access(ADA, site, "ada@example.org")


def test_a_site_name_in_one_foreign_alphabet_is_fine(participants):
    assert participants.request_access(ADA, "Больница 3", "ada@example.org").site == "Больница 3"


HOSTILE = (
    "<script>alert(1)</script>\x1b[31mred\x1b[0m\x1b]0;title\x07 \u202etxt.exe\u200f "
    "\r\nBcc: victim@example.org\x00{{ 7*7 }}{% raise %}\ud800\u2028end"
)
FORBIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200e\u200f]"
)


def test_hostile_texts_are_harmless_wherever_they_are_kept(participants, database, settings):
    outbox = Outbox(database, admins=lambda _: ["admin@example.org"])
    service = ParticipantService(
        database, settings, Options(database, settings), outbox, lambda: None
    )
    name = HOSTILE.replace("\ud800", "")
    user = User(provider="hf", sub="eve", name=name, role=Role.PARTICIPANT)
    row = service.request_access(user, "North", "eve@example.org", HOSTILE, HOSTILE, HOSTILE)
    code = next(m.body for m in outbox.newest(ADMIN)).split()[3]
    service.confirm(user, code)
    service.deny(row.id, ADMIN, HOSTILE)
    kept = service.get(row.id, ADMIN)
    texts = [kept.username, kept.organisation, kept.message, kept.data, kept.reason]
    mails = outbox.newest(ADMIN)
    assert [mail.kind for mail in mails] == ["denied", "waiting", "code"]
    for mail in mails:
        assert "\n" not in mail.subject
        assert "<script" not in mail.html
        texts += [mail.subject, mail.body, mail.html]
    for text in texts:
        assert not FORBIDDEN.search(text), text
        assert "49" not in text  # what was typed is never a template
    assert "\n" not in kept.organisation + kept.username
    assert "{{ 7*7 }}" in kept.message
    assert "North" not in mails[-1].body  # the mail to an unproven mailbox carries nothing typed


@pytest.mark.parametrize("field", ["organisation", "message", "data"])
def test_ten_megabytes_are_refused_with_a_sentence(participants, field):
    with pytest.raises(InvalidInput, match="; this one has 10,000,000") as caught:
        participants.request_access(ADA, "North", "a@example.org", **{field: "x" * 10_000_000})
    assert caught.value.field == field
    with pytest.raises(InvalidInput, match="site name"):
        participants.request_access(ADA, "x" * 10_000_000, "a@example.org")


def test_a_reason_that_is_too_long_changes_nothing(participants):
    asked = ask(participants, ADA)
    with pytest.raises(InvalidInput, match="'reason' may have 500 characters"):
        participants.deny(asked.id, ADMIN, "x" * 501)
    assert participants.mine(ADA).status is Status.REQUESTED


def _at_once(act, arguments, threads=50):
    """What each of many calls at the same moment answered."""
    barrier = Barrier(threads)

    def one(argument):
        barrier.wait(60)
        try:
            act(*argument)
        except BlossomError as error:
            return str(error)
        return "done"

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, arguments))


@pytest.mark.concurrent
def test_of_fifty_clicks_on_one_request_one_counts_and_the_others_read_who_was_first(
    participants, outbox, database
):
    asked = ask(participants, ADA)
    participants.confirm(ADA, mailed_code(outbox, ADA))
    admins = [
        User(provider="hf", sub=str(n), name=f"Admin {n}", role=Role.ADMIN) for n in range(50)
    ]
    answers = _at_once(participants.approve, [(asked.id, admin) for admin in admins])
    first = participants.mine(ADA).decided_name
    assert answers.count("done") == 1
    said = re.compile(rf"Site ada was approved by {first} \d+ s ago\. Nothing was changed now\.")
    assert all(said.fullmatch(answer) for answer in answers if answer != "done")
    with database.read() as session:
        assert session.query(Mail).filter_by(kind="approved").count() == 1
        assert session.query(AuditEntry).filter_by(action="participant.approve").count() == 1


@pytest.mark.concurrent
def test_fifty_approvals_of_twenty_people_onto_clashing_partitions_have_one_effect_each(
    database, settings, outbox, options
):
    options.set_partitions(30, ADMIN)
    service = ParticipantService(database, settings, options, outbox, lambda: None)
    rows = []
    for number in range(20):
        user = person(f"p{number}")
        rows.append(ask(service, user))
        service.confirm(user, mailed_code(outbox, user))
    calls = [(rows[n % 20].id, ADMIN, (n * 7) % 13) for n in range(50)]
    answers = _at_once(service.approve, calls)
    owner = {r.partition_id: r.id for r in service.list(ADMIN) if r.status is Status.APPROVED}
    assert answers.count("done") == len(owner)  # twelve or thirteen, as the order has it
    for (who, _, partition), answer in zip(calls, answers, strict=True):
        if answer == "done":
            assert owner[partition] == who
        elif "was approved by local admin" in answer:
            assert who in owner.values()
        else:
            assert "given to another site" in answer
            assert owner[partition] != who
    with database.read() as session:
        assert session.query(Mail).filter_by(kind="approved").count() == len(owner)


@pytest.mark.concurrent
def test_fifty_requests_of_one_person_at_once_are_one_request(participants, database):
    answers = _at_once(
        participants.request_access, [(ADA, f"Site {n}", f"a{n}@example.org") for n in range(50)]
    )
    assert answers.count("done") == 1
    assert len(participants.list(ADMIN)) == 1


def test_the_limit_holds_for_requests_and_for_approvals(database, settings, options, outbox):
    wide = ParticipantService(database, settings, options, outbox, lambda: None)
    approved(wide, outbox, "ada")
    ask(wide, BOB)
    wide.confirm(BOB, mailed_code(outbox, BOB))
    full = ParticipantService(
        database, settings.but(max_participants=1), options, outbox, lambda: None
    )
    with pytest.raises(NotPossible, match="federation is full"):
        ask(full, person("carl"))
    with pytest.raises(NotPossible, match="federation is full"):
        full.approve(full.mine(BOB).id, ADMIN)


def test_requests_that_were_not_proven_in_time_fill_no_places(database, settings, options, outbox):
    one = settings.but(max_participants=1)
    people = ParticipantService(database, one, options, outbox, lambda: None)
    ask(people, BOB)
    with pytest.raises(NotPossible, match="federation is full"):
        ask(people, ADA)
    with database.write() as session:
        session.query(Participant).one().code_expires_at -= timedelta(minutes=16)
    assert ask(people, ADA).status is Status.REQUESTED


def test_admins_are_told_of_requests_and_withdrawals_and_people_of_decisions(
    database, settings, options
):
    outbox = Outbox(database, admins=lambda _: ["a@example.org", "b@example.org", "a@example.org"])
    service = ParticipantService(database, settings, options, outbox, lambda: None)
    row = approved(service, outbox, "ada")
    service.revoke(row.id, ADMIN, "contract ended")
    ask(service, ADA)
    service.withdraw(ADA)  # never proven: admins have not heard of it
    mails = [(m.kind, m.recipient) for m in reversed(outbox.newest(ADMIN)) if m.kind != "code"]
    assert mails == [
        ("waiting", "a@example.org"),
        ("waiting", "b@example.org"),
        ("approved", "ada@example.org"),
        ("revoked", "ada@example.org"),
    ]
    assert any("contract ended" in m.body for m in outbox.newest(ADMIN))
