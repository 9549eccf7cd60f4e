"""From a request for access to a revocation, against a real database."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from blossomtune_gradio.errors import BlossomError, InvalidInput, NotAllowed, NotPossible
from blossomtune_gradio.identity import STRANGER
from blossomtune_gradio.services.outbox import Outbox
from blossomtune_gradio.services.participants import ParticipantService
from blossomtune_gradio.store.models import NodeKey, Participant
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
    for _ in range(5):
        with pytest.raises(InvalidInput, match="not valid"):
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


def test_an_unknown_person_gets_the_same_answer_as_a_wrong_code(participants):
    ask(participants, ADA)
    sentences = set()
    for user in (ADA, BOB):
        with pytest.raises(InvalidInput) as caught:
            participants.confirm(user, "AAAA-AAAA")
        sentences.add(str(caught.value))
    assert len(sentences) == 1


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


@pytest.mark.parametrize(
    "email", ["", "ada", "a@b", "a@evil.org,victim@example.org", "a b@c.org", "a@b.org\nBcc: x@y.z"]
)
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
