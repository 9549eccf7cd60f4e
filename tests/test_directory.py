"""The list of participants as the database gives it: search, filter, order, pages, details."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import InvalidInput, NotAllowed, NotFound, NotPossible
from blossomtune_gradio.identity import LOCAL_ADMIN, Role, User
from blossomtune_gradio.services.review.query import SITES, SORTS, Query
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.models import (
    AuditEntry,
    Mail,
    NodeKey,
    Participant,
    SiteReport,
    now,
)
from blossomtune_gradio.store.models import ParticipantStatus as Status
from tests.crowd import crowd
from tests.people import ADMIN, approved, ask, mailed_code, person

OTHER_ADMIN = User(provider="local", sub="eve", name="Eve", role=Role.ADMIN)


@pytest.fixture
def app(tmp_path):
    made = Application(Settings(data_dir=tmp_path / "data", partitions=40, port=0, fleet_port=0))
    yield made
    made.close()


def waiting(app: Application, *names: str) -> list[int]:
    """People who proved their address and wait; their numbers."""
    numbers = []
    for name in names:
        user = person(name)
        numbers.append(ask(app.participants, user).id)
        app.participants.confirm(user, mailed_code(app.outbox, user))
    return numbers


def sites(app: Application, **more: object) -> list[str]:
    """Names of the sites on the page that a query gives."""
    page = app.directory.page(ADMIN, Query(**more))  # type: ignore[arg-type]
    return [one.row.site for one in page.people]


def add(app: Application, site: str, **more: object) -> None:
    """A request that waits, written straight into the database."""
    with app.database.write() as session:
        given = {"email": f"{site.lower()}@example.org", "status_word": "confirmed"} | more
        session.add(Participant(user_id=f"made:{site}", site=site, **given))


@pytest.mark.parametrize("user", [person("ada"), User(provider="x", sub="y", name="z", role=2)])
def test_only_an_admin_looks_people_up_and_writes_notes(app, user):
    (number,) = waiting(app, "ada")
    for ask_for in (
        lambda: app.directory.page(user, Query()),
        lambda: app.directory.details(user, number),
        lambda: app.directory.set_note(user, number, "x"),
        lambda: app.decisions.approve([number], user),
        lambda: app.decisions.deny([number], user, "x"),
        lambda: app.decisions.revoke([number], user, "x"),
        lambda: app.sites.drift(user),
        lambda: app.options.set_partitions(4, user),
    ):
        with pytest.raises(NotAllowed):
            ask_for()


@pytest.mark.parametrize(
    "words", ["charite", "CHARITÉ", "north@", "berlin heart", "HEART  berlin", "carla", "later"]
)
def test_a_search_finds_site_address_organisation_person_and_note_in_any_spelling(app, words):
    add(app, "South", organisation="Ghent")
    add(
        app,
        "Charité",
        email="north@example.org",
        organisation="Heart Centre Berlin",
        username="Carla",
        note="call LATER",
    )
    assert sites(app, search=words) == ["Charité"]


@pytest.mark.parametrize(
    "words", ["%", "_", "\\", "' OR 1=1 --", '"; DROP TABLE participants', "*"]
)
def test_a_search_is_words_and_never_a_pattern_or_a_command(app, words):
    add(app, "North")
    assert sites(app, search=words) == []
    add(app, "Odd", note=f"say {words} twice")
    assert sites(app, search=words) == ["Odd"]


def test_a_note_that_is_changed_is_found_by_its_new_words(app):
    (number,) = waiting(app, "ada")
    app.directory.set_note(ADMIN, number, "knows Grace")
    assert sites(app, search="grace") == ["Site ada"]
    app.directory.set_note(ADMIN, number, "knows Alan")
    assert sites(app, search="grace") == []


def test_who_waits_for_us_comes_first_and_the_longest_waiting_before_the_others(app):
    moment = now()
    add(app, "Unproven", status_word="requested")
    add(app, "Denied", status_word="denied")
    add(app, "Late", changed_at=moment)
    add(app, "Early", changed_at=moment - timedelta(days=2))
    add(app, "Member", status_word="approved", partition_id=0)
    assert sites(app) == ["Early", "Late", "Unproven", "Denied"]
    assert sites(app, view=SITES) == ["Member"]


@pytest.mark.parametrize("sort", SORTS)
def test_every_column_sorts_both_ways_and_pages_never_repeat_a_row(app, sort):
    crowd(app.database, 150)
    for descending in (False, True):
        query = {"sort": sort, "descending": descending, "size": 20, "view": SITES}
        pages = [app.directory.page(ADMIN, Query(page=n, **query)) for n in range(20)]
        rows = [one.row for page in pages[: -(-pages[0].total // 20)] for one in page.people]
        assert len({row.id for row in rows}) == pages[0].total
        values = [
            value for row in rows if (value := SORTS[sort].__get__(row, Participant)) is not None
        ]
        letters = [v.lower() if isinstance(v, str) else v for v in values]
        assert letters == sorted(letters, reverse=descending)


def test_a_page_beyond_the_end_is_the_last_one(app):
    crowd(app.database, 60)
    first = app.directory.page(ADMIN, Query(size=10))
    last = app.directory.page(ADMIN, Query(size=10, page=10**9))
    assert last.page == (first.total - 1) // 10
    assert last.people


def test_the_counts_are_those_of_everybody_whatever_is_searched(app):
    crowd(app.database, 80)
    page = app.directory.page(ADMIN, Query(search="no such person"))
    assert page.total == 0
    assert sum(page.counts.values()) == 80
    for status in (Status.CONFIRMED, Status.DENIED):
        found = app.directory.page(ADMIN, Query(status=status.value))
        assert found.total == page.counts[status.value]


def test_the_filter_by_presence_counts_the_same_sites_as_the_chips(app):
    crowd(app.database, 80)
    page = app.directory.page(ADMIN, Query(view=SITES, presence="no key", size=100))
    assert page.total == page.presences["no key"] > 0
    assert {one.presence for one in page.people} == {"no key"}
    assert sites(app, view=SITES, presence="online") == []
    assert page.presences["unknown"] > 0, "the SuperLink is off: nobody can tell"


@pytest.mark.parametrize(
    "wrong",
    [
        {"view": "nonsense"},
        {"view": "sites", "status": "denied"},
        {"presence": "1=1"},
        {"sort": "code_hash"},
        {"sort": "id; DROP TABLE participants"},
    ],
)
def test_a_query_nobody_could_click_is_refused(app, wrong):
    with pytest.raises(InvalidInput, match="Reload the page"):
        app.directory.page(ADMIN, Query(**wrong))


def test_the_details_tell_the_history_the_keys_and_the_preflight(app):
    row = approved(app.participants, app.outbox, "ada")
    with app.database.write() as session:
        session.add(NodeKey(fingerprint="SHA256:x", participant_id=row.id, pem="p"))
        session.add(SiteReport(participant_id=row.id, good=False, report={"checks": []}))
    app.participants.revoke(row.id, OTHER_ADMIN, "contract ended")
    details = app.directory.details(ADMIN, row.id)
    assert [entry.action for entry in details.history] == [
        "participant.revoke",
        "participant.approve",
        "participant.confirm",
        "participant.request",
    ]
    assert details.history[0].actor_name == "Eve"
    assert details.history[0].after["reason"] == "contract ended"
    assert [key.fingerprint for key in details.keys] == ["SHA256:x"]
    assert details.report is not None
    assert not details.report.good


@pytest.mark.parametrize("number", [0, -1, 99, 2**70])
def test_somebody_who_does_not_exist_is_not_found(app, number):
    with pytest.raises(NotFound):
        app.directory.details(ADMIN, number)
    assert app.decisions.approve([99], ADMIN).refused[0].sentence.startswith("This participant")


def test_a_note_is_kept_and_written_down_and_a_long_one_is_refused_whole(app):
    (number,) = waiting(app, "ada")
    app.directory.set_note(ADMIN, number, " call first ")
    with pytest.raises(InvalidInput, match="2000 characters"):
        app.directory.set_note(ADMIN, number, "x" * 2001)
    details = app.directory.details(ADMIN, number)
    assert details.person.row.note == "call first"
    assert details.history[0].action == "participant.note"


# -- several at once -----------------------------------------------------------------------------


def test_several_are_approved_at_once_in_the_order_they_were_chosen(app):
    ada, bob, carl = waiting(app, "ada", "bob", "carl")
    decided = app.decisions.approve([carl, ada, bob, ada], ADMIN)
    assert [(one.site, one.partition_id) for one in decided.done] == [
        ("Site carl", 0),
        ("Site ada", 1),
        ("Site bob", 2),
    ]
    assert decided.refused == []


def test_what_cannot_be_done_for_one_is_told_and_keeps_no_other_waiting(app):
    ada, bob = waiting(app, "ada", "bob")
    app.participants.deny(ada, OTHER_ADMIN, "no data")
    decided = app.decisions.approve([ada, bob], ADMIN)
    assert [one.site for one in decided.done] == ["Site bob"]
    assert [one.participant_id for one in decided.refused] == [ada]
    assert "denied" in decided.refused[0].sentence


def test_a_single_one_may_be_given_a_chosen_partition(app):
    ada, bob, carl = waiting(app, "ada", "bob", "carl")
    assert app.decisions.approve([ada], ADMIN, 7).done[0].partition_id == 7
    assert "given to another site" in app.decisions.approve([bob], ADMIN, 7).refused[0].sentence
    with pytest.raises(InvalidInput, match="one site at a time"):
        app.decisions.approve([bob, carl], ADMIN, 8)
    assert app.directory.page(ADMIN, Query()).partitions.lowest_free == 0


def test_the_reason_of_a_denial_reaches_each_by_mail(app):
    numbers = waiting(app, "ada", "bob")
    app.decisions.deny(numbers, ADMIN, "The study is closed.")
    with app.database.read() as session:
        mails = session.query(Mail).where(Mail.kind == "denied").all()
    assert {mail.recipient for mail in mails} == {"ada@example.org", "bob@example.org"}
    assert all("The study is closed." in mail.body for mail in mails)


@pytest.mark.parametrize("ids", [[], list(range(501))])
def test_nobody_and_too_many_are_refused(app, ids):
    with pytest.raises(InvalidInput, match="between 1 and 500"):
        app.decisions.deny(ids, ADMIN, "")


@pytest.mark.concurrent
def test_two_admins_who_approve_the_same_people_at_once_give_each_one_partition(app):
    numbers = waiting(app, *(f"p{n}" for n in range(12)))
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda by: app.decisions.approve(numbers, by), (ADMIN, OTHER_ADMIN)))
    done = [one.id for decided in both for one in decided.done]
    assert sorted(done) == sorted(numbers)
    assert sum(len(decided.refused) for decided in both) == 12
    with app.database.read() as session:
        approvals = session.query(AuditEntry).where(AuditEntry.action == "participant.approve")
        assert approvals.count() == 12
        owned = session.query(Participant.partition_id).all()
    assert sorted(number for (number,) in owned) == list(range(12))


def test_the_number_of_partitions_changes_only_while_nobody_owns_one(app):
    app.options.set_partitions(2, LOCAL_ADMIN)
    approved(app.participants, app.outbox, "ada")
    with pytest.raises(NotPossible, match="split their data into 2 partitions"):
        app.options.set_partitions(5, LOCAL_ADMIN)
    use = app.directory.page(ADMIN, Query()).partitions
    assert (use.total, use.assigned, use.lowest_free) == (2, 1, 1)
    with app.database.read() as session:
        entry = session.query(AuditEntry).where(AuditEntry.action == "partitions.change").one()
    assert (entry.before, entry.after) == ({"total": 40}, {"total": 2})
