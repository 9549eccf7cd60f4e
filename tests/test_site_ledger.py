"""What a run's sites are said to have done is what they did, however often and late one looks."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from flwr.supercore.corestate.utils import validate_task_event_data

from blossomtune_gradio.flower.link import given
from blossomtune_gradio.flower.link.given import ErrorReply, Given
from blossomtune_gradio.flower.link.messages import MessageBox, SiteMessage
from blossomtune_gradio.flower.link.server_process import ERROR, REPLIES, Answers
from blossomtune_gradio.services.runs.watching.ledger import SiteLedger
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import Run, RunSite

NODES, ROUNDS = (5, 6), 3


@pytest.fixture
def store(tmp_path):
    made = Database(f"sqlite:///{tmp_path}/x.db")
    with made.write() as session:
        run = {"app": "a", "config": {}, "partitions": 2, "created_by": "x"}
        session.add(Run(id=1, name="run", **run))
    yield made
    made.close()


def lies(name: str, node: int, *, answered: bool = False) -> SiteMessage:
    return SiteMessage(name, node, "train", datetime.now(UTC), True, answered, None)


def numbers(store: Database) -> dict[str, tuple[int, int, int, int]]:
    return {
        row.node_id: (row.asked, row.answered, row.failures, len(row.open_messages))
        for row in SiteLedger(store, 1).rows()
    }


def test_a_question_that_came_and_went_between_two_looks_counts(store):
    ledger = SiteLedger(store, 1)
    ledger.note([lies("q1", 5)], Given(1, whole=True), {}, 1)
    ledger.note([lies("q3", 5)], Given(3, good=[("q1", 5), ("q2", 5)]), {}, 3)
    assert numbers(store) == {"5": (3, 2, 0, 1)}
    ledger.note([], Given(4, good=[("q3", 5)]), {}, 3)
    assert numbers(store) == {"5": (3, 3, 0, 0)}


class Story:
    """Two sites, three rounds; one of the replies is an error. Steps: what lies there, events."""

    def __init__(self) -> None:
        self.events: list[tuple[int, str, str]] = [(1, REPLIES, '{"replies": []}')]
        self.there: list[SiteMessage] = []
        self.steps = [self._ask, self._answer, self._fetch] * ROUNDS
        self.round = 0

    def _ask(self) -> None:
        self.round += 1
        self.there = [lies(f"q{self.round}-{node}", node) for node in NODES]

    def _answer(self) -> None:
        self.there = [lies(m.message_id, m.node_id, answered=True) for m in self.there]

    def _fetch(self) -> None:
        told = [{"message": m.message_id, "node": str(m.node_id)} for m in self.there]
        if self.round == 2:
            told[0] |= {"by": "site", "reason": "RuntimeError: x"}
        answers = Answers()
        answers.keep(told)
        for kind, data in answers._untold[1:] * 2:  # a request whose answer got lost is repeated
            self.events.append((len(self.events) + 1, kind, given.json.dumps(data)))
        self.there = []


@pytest.mark.parametrize("looks", list(itertools.product([True, False], repeat=4)))
def test_the_numbers_are_right_wherever_looks_are_missed_and_ledgers_begin_anew(store, looks):
    """A ledger that begins anew before each look hears everything again."""
    for anew in range(3 * ROUNDS + 1):
        with store.write() as session:
            session.query(RunSite).delete()
        story, ledger, heard = Story(), SiteLedger(store, 1), 0
        for number, step in enumerate(story.steps):
            step()
            if number == anew:
                ledger, heard = SiteLedger(store, 1), 0
            if looks[number % len(looks)]:
                news = given.read([e for e in story.events if e[0] > heard], heard)
                ledger.note(story.there, news, {}, story.round)
                heard = news.number
        ledger.note([], given.read([e for e in story.events if e[0] > heard], heard), {}, ROUNDS)
        assert numbers(store) == {"5": (ROUNDS, ROUNDS, 1, 0), "6": (ROUNDS, ROUNDS, 0, 0)}


def test_without_a_word_of_the_servers_app_what_is_gone_was_answered(store):
    ledger = SiteLedger(store, 1)
    ledger.note([lies("q1", 5), lies("q1b", 6)], Given(0), {}, 1)
    ledger.note([lies("q2", 5)], Given(0), {}, 2)
    assert numbers(store) == {"5": (2, 1, 0, 1), "6": (1, 1, 0, 0)}
    ledger = SiteLedger(store, 1)
    ledger.note([lies("q2", 5, answered=True), lies("q2b", 6)], Given(0), {}, 2)
    ledger.note([], Given(0), {}, 2)
    assert numbers(store) == {"5": (2, 2, 0, 0), "6": (2, 2, 0, 0)}


def test_a_question_that_nobody_answered_before_the_end_was_asked_only(store):
    ledger = SiteLedger(store, 1)
    ledger.note([lies("q1", 5)], Given(1, whole=True), {}, 1)
    ledger.note([], Given(1), {}, 1)
    assert numbers(store) == {"5": (1, 0, 0, 0)}


def test_an_error_is_told_once_and_counts_as_an_answer(store):
    error = ErrorReply(2, "q1", 5, "RuntimeError: no", True)
    for _ in range(2):
        ledger = SiteLedger(store, 1)
        ledger.note([lies("q2", 5)], Given(2, whole=True, errors=[error, error]), {}, 1)
    assert numbers(store) == {"5": (2, 1, 1, 1)}
    assert [reply.reason for reply in ledger.errors()] == ["RuntimeError: no"]


def test_what_cannot_be_read_is_not_nothing(tmp_path):
    box = MessageBox(tmp_path / "none.db")
    assert (box.of_run(1), box.given_to(1), box.kind_of("q")) == (None, None, None)
    (tmp_path / "none.db").write_text("no database")
    assert (box.of_run(1), box.given_to(1), box.kind_of("q")) == (None, None, None)


def test_events_of_others_are_left_out():
    events = [(1, REPLIES, "{"), (2, ERROR, "[1]"), (3, REPLIES, '{"replies": [["q", "x"]]}')]
    events += [(4, REPLIES, '[["q", "5"]]'), (9, "x", "1")]
    assert given.read(events, 0) == Given(9)


def test_what_the_superlink_does_not_take_is_told_with_the_next_reply():
    """Nothing of it is lost, in the order in which it came."""
    taken, broken = [], [True]

    class Client:
        def PushTaskEvents(self, request):  # noqa: N802 - Flower's name
            if broken[0]:
                raise OSError("locked")
            for event in request.events:
                validate_task_event_data(event.data)  # Flower drops all of them otherwise
                taken.append((event.event, event.data))

    answers, grid = Answers(), SimpleNamespace(_runtime_client=Client())
    answers.keep([{"message": "q1", "node": "5", "by": "site"}])
    answers.tell(grid)
    broken[0] = False
    answers.keep([{"message": "q2", "node": "5", "by": "site", "reason": "no"}])
    answers.tell(grid)
    answers.tell(grid)
    assert [kind for kind, _ in taken] == [REPLIES, REPLIES, ERROR]
    assert taken[1][1] == '{"replies": [["q1", "5"]]}'
