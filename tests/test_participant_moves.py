"""Two thousand random moves of random people against a model of what must happen.

The model is written from the rules, not from the code: who may do what in which state, who owns
which partition, whose code is good. After each step every row is compared with it. In the soak ten
thousand, drawn anew each time.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, func, select

from blossomtune_gradio.errors import InvalidInput, NotFound, NotPossible
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.options import Options
from blossomtune_gradio.services.people.limits import Limits, Shares
from blossomtune_gradio.services.people.participants import ParticipantService
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import (
    LIVE,
    PARTICIPANT_MOVES,
    AuditEntry,
    Mail,
    NodeKey,
    Participant,
)
from blossomtune_gradio.store.models import ParticipantStatus as Status
from tests.people import ADMIN, person

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
NAMES = [f"p{number}" for number in range(6)]
PARTITIONS, MOST = 3, 4  # small, so that it is often full
_CODE = re.compile(r"\b[A-Z0-9]{4}-[A-Z0-9]{4}\b")
_who = st.sampled_from(NAMES)
_codes = st.sampled_from(["right", "right", "old", "wrong", "foreign"])
_ENOUGH = Shares(
    codes_per_person=10**6,
    codes_per_mailbox=10**6,
    codes_per_client=10**6,
    guesses_per_person=10**6,
    guesses_per_client=10**6,
)


@dataclass
class Known:
    """What the model knows of somebody who asked at least once."""

    site: str
    email: str
    status: Status = Status.REQUESTED
    partition: int | None = None
    codes: list[str] = field(default_factory=list)  # the last one is in force, if any is
    expired: bool = False
    tries: int = 0
    moves: int = 1

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    def go(self, new: Status) -> None:
        assert new in PARTICIPANT_MOVES[self.status]
        self.status, self.moves = new, self.moves + 1
        if new is not Status.APPROVED:
            self.partition = None


class Moves(RuleBasedStateMachine):
    """Random people and admins."""

    database: Database
    service: ParticipantService
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, Known] = {}
        with self.database.write() as session:
            for table in (NodeKey, Participant, Mail, AuditEntry):
                session.execute(delete(table))

    @rule(name=_who, site=st.integers(0, 7), box=st.integers(0, 7))
    def ask(self, name: str, site: int, box: int) -> None:
        mine, wanted = self.known.get(name), (f"Site {site}", f"box{box}@example.org")
        others = [one for who, one in self.known.items() if who != name and one.is_live]
        holders = [one for one in others if one.site == wanted[0] or one.email == wanted[1]]
        late = [one for one in holders if one.status is Status.REQUESTED and one.expired]
        may = (
            (mine is None or not mine.is_live)
            and len(others) - len(late) < MOST
            and len(holders) == len(late)
        )
        if not may:
            with pytest.raises(NotPossible):
                self.service.request_access(person(name), *wanted)
            return
        self.service.request_access(person(name), *wanted)
        for one in late:
            one.go(Status.WITHDRAWN)
        if mine is None:
            mine = self.known[name] = Known(*wanted)
        else:
            mine.go(Status.REQUESTED)
            mine.site, mine.email = wanted
        self._new_code(mine)

    @rule(name=_who)
    def ask_for_another_code(self, name: str) -> None:
        mine = self.known.get(name)
        if mine is None:
            with pytest.raises(NotFound):
                self.service.resend(person(name))
        elif mine.status is not Status.REQUESTED:
            with pytest.raises(NotPossible):
                self.service.resend(person(name))
        else:
            with self.database.write() as session:  # a minute goes by
                self._row(session, name).code_sent_at = None
            self.service.resend(person(name))
            mine.moves += 1
            self._new_code(mine)

    @rule(name=_who, other=_who, kind=_codes)
    def type_a_code(self, name: str, other: str, kind: str) -> None:
        mine, foreign = self.known.get(name), self.known.get(other)
        codes = mine.codes if mine else []
        typed = {
            "right": codes[-1] if codes else "ABCD-EFGH",
            "old": codes[-2] if len(codes) > 1 else "",
            "wrong": "ABCD-EFGH",
            "foreign": foreign.codes[-1] if foreign and other != name else "",
        }[kind]
        good = (
            mine is not None
            and kind == "right"
            and mine.status is Status.REQUESTED
            and not mine.expired
            and mine.tries < 5
        )
        if good:
            self.service.confirm(person(name), typed)
            mine.go(Status.CONFIRMED)
            return
        with pytest.raises(InvalidInput, match=r"not valid|tr(y|ies) left"):
            self.service.confirm(person(name), typed)
        if mine:
            mine.tries += 1

    @rule(name=_who)
    def let_the_code_expire(self, name: str) -> None:
        mine = self.known.get(name)
        if mine and mine.status is Status.REQUESTED:
            with self.database.write() as session:
                row = self._row(session, name)
                row.code_expires_at = row.requested_at.replace(year=2020)
            mine.expired = True

    @rule(name=_who, wanted=st.sampled_from([None, None, None, 0, 1, 2, 3, -1]))
    def approve(self, name: str, wanted: int | None) -> None:
        mine = self.known.get(name)
        if mine is None:
            return
        taken = {one.partition for one in self.known.values()}
        free = [number for number in range(PARTITIONS) if number not in taken]
        given = wanted if wanted is not None else next(iter(free), None)
        if mine.status is Status.CONFIRMED and given in free:
            assert self.service.approve(self._id(name), ADMIN, wanted).partition_id == given
            mine.go(Status.APPROVED)
            mine.partition = given
            with self.database.write() as session:  # and the site hands in its key
                key = f"{name}-{mine.moves}"
                session.add(NodeKey(fingerprint=key, participant_id=self._id(name), pem="p"))
        else:
            with pytest.raises((NotPossible, InvalidInput)):
                self.service.approve(self._id(name), ADMIN, wanted)

    @rule(name=_who, word=st.sampled_from(["deny", "revoke"]))
    def end(self, name: str, word: str) -> None:
        new = {"deny": Status.DENIED, "revoke": Status.REVOKED}[word]
        self._leave(name, new, lambda: getattr(self.service, word)(self._id(name), ADMIN, "why"))

    @rule(name=_who)
    def withdraw(self, name: str) -> None:
        self._leave(name, Status.WITHDRAWN, lambda: self.service.withdraw(person(name)))

    def _leave(self, name: str, new: Status, act) -> None:
        mine = self.known.get(name)
        if mine is None:
            return
        if new in PARTICIPANT_MOVES[mine.status]:
            act()
            mine.go(new)
        else:
            with pytest.raises(NotPossible):
                act()

    @invariant()
    def all_is_as_it_must_be(self) -> None:
        type(self).steps += 1
        with self.database.read() as session:
            rows = {row.username: row for row in session.scalars(select(Participant))}
            entries = session.scalar(select(func.count(AuditEntry.id)))
            live_keys = set(
                session.scalars(select(NodeKey.participant_id).where(NodeKey.retired_at.is_(None)))
            )
        assert set(rows) == set(self.known)  # no request is lost
        for name, mine in self.known.items():
            row = rows[name]
            assert (row.status, row.partition_id) == (mine.status, mine.partition)
            assert (row.site, row.email) == (mine.site, mine.email)
            assert bool(row.code_hash) == (row.status is Status.REQUESTED)
            assert (row.id in live_keys) == (row.status is Status.APPROVED)
        owned = [row.partition_id for row in rows.values() if row.partition_id is not None]
        assert len(owned) == len(set(owned))
        live = [row for row in rows.values() if row.status in LIVE]
        assert len(live) <= MOST
        assert len({row.site for row in live}) == len({row.email for row in live}) == len(live)
        assert entries == sum(mine.moves for mine in self.known.values())

    def _new_code(self, mine: Known) -> None:
        with self.database.read() as session:
            mails = select(Mail).where(Mail.kind == "code", Mail.recipient == mine.email)
            body = session.scalars(mails.order_by(Mail.id.desc())).first().body
        mine.codes.append(_CODE.search(body).group())
        mine.expired, mine.tries = False, 0

    def _row(self, session, name: str) -> Participant:
        return session.scalars(select(Participant).where(Participant.username == name)).one()

    def _id(self, name: str) -> int:
        with self.database.read() as session:
            return self._row(session, name).id


def test_two_thousand_random_moves_end_in_no_illegal_state(tmp_path):
    assert moves(tmp_path, examples=46, seeded=True) >= 2_000


@pytest.mark.soak
def test_ten_thousand_fresh_moves_end_in_no_illegal_state(tmp_path):
    assert moves(tmp_path, examples=240, seeded=False) >= 10_000


def moves(folder: Path, *, examples: int, seeded: bool) -> int:
    """How many steps were taken."""
    options = Settings(data_dir=folder, partitions=PARTITIONS, max_participants=MOST)
    Moves.database = database = Database(options.database)
    Moves.service = ParticipantService(
        database,
        options,
        Options(database, options),
        Outbox(database, admins=lambda _: ["admin@example.org"]),
        lambda: None,
        Limits(_ENOUGH),
    )
    Moves.steps = 0
    try:
        run_state_machine_as_test(
            Moves,
            settings=settings(
                max_examples=examples,  # some end before their fifty steps
                stateful_step_count=50,
                derandomize=seeded,
                phases=[Phase.generate],  # a failure tells its steps; making them fewer takes long
                database=None,
                deadline=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        database.close()
    return Moves.steps
