"""No text and no number of an app, a site or a person makes us fail, from the log to the page."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blossomtune_gradio.flower.lines.round_log import Point, RoundParser
from blossomtune_gradio.flower.link.facts import LogChunk
from blossomtune_gradio.flower.link.given import ErrorReply, Given
from blossomtune_gradio.identity import SYSTEM
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.audit.trail import AuditLog, record
from blossomtune_gradio.services.runs import timeline
from blossomtune_gradio.services.runs.carrying.log import RunLog
from blossomtune_gradio.services.runs.metrics import MetricService
from blossomtune_gradio.services.runs.watching.ledger import SiteLedger
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import Run, RunSite
from blossomtune_gradio.store.models.base import kept
from tests.people import ADMIN

HARD = [
    "\ud800",
    "\udfff\ud800",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "\u2028",
    "'; DROP TABLE runs; --",
    "",
]
TEXTS = st.text() | st.lists(st.sampled_from(HARD) | st.text(max_size=5)).map("".join)
NUMBERS = st.integers() | st.sampled_from([2**63, -(2**63) - 1, 10**29, 10**4000])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
LINES = st.one_of(
    TEXTS,
    st.dictionaries(st.sampled_from(["round", "site", "phase"]) | TEXTS, JSON, max_size=4).map(
        lambda said: (
            "@@BLOSSOM " + json.dumps(said, ensure_ascii=False)
            if all(abs(n) < 10**4000 for n in said.values() if isinstance(n, int))
            else "@@BLOSSOM {"
        )
    ),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Database:
    folder = tmp_path_factory.mktemp("any")
    database = Database(f"sqlite:///{folder}/blossomtune.db")
    with database.write() as session:
        session.add(Run(id=1, name="a", app="a", config={}, partitions=2, created_by="x"))
    return database


def sendable(value: object) -> None:
    """As a page or the REST interface sends it."""
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@given(st.lists(st.tuples(st.booleans(), LINES), max_size=6))
@settings(max_examples=150, deadline=None)
def test_any_line_goes_from_the_log_to_the_page(made, tmp_path_factory, lines):
    metrics = MetricService(made)
    log = RunLog(LogStore(tmp_path_factory.mktemp("log")), "run-1")
    text = "\n".join(f"INFO :      {line}" if flower else line for flower, line in lines)
    parser = RoundParser()
    heard = [*log.add(LogChunk(text, 1.0)), *log.finish()]
    events = [event for line in heard for event in parser.feed(line)]
    metrics.record(1, [event for event in events if isinstance(event, Point)])
    for value in metrics.values(1, ADMIN):
        sendable([value.name, value.site, value.round, value.value])


@given(TEXTS, JSON, NUMBERS)
@settings(max_examples=150, deadline=None)
def test_any_text_and_number_is_kept_and_comes_out_sendable(made, text, value, number):
    with made.write() as session:
        event = timeline.note(session, 1, text, text, said=value)
        session.flush()
        event_id = event.id
        run = session.get_one(Run, 1)
        run.config, run.note, run.tags, run.min_sites = {text: value}, text, [text], number
        assert session.get(Run, 10**29 + abs(number)) is None
    with made.read() as session:
        run, told = session.get_one(Run, 1), session.get_one(type(event), event_id)
        sendable([run.config, run.note, run.tags, run.min_sites, told.text, told.kind, told.data])
        assert run.note == kept(text)


@given(TEXTS, TEXTS, st.integers(0, 2**64 - 1))
@settings(max_examples=100, deadline=None)
def test_any_reason_of_a_site_is_kept_once(made, reason, message_id, node):
    with made.write() as session:
        if session.get(RunSite, (1, str(node))) is None:
            session.add(RunSite(run_id=1, node_id=str(node), name="North", partition_id=0))
    ledger = SiteLedger(made, 1)
    error = ErrorReply(1, message_id, node, reason, True)
    ledger.note([], Given(1, errors=[error]), {}, 1)
    before = len(ledger.errors()), [row.failures for row in ledger.rows()]
    ledger.note([], Given(1, errors=[error]), {}, 1)
    assert (len(ledger.errors()), [row.failures for row in ledger.rows()]) == before
    for row in ledger.rows():
        sendable([row.last_error, row.name])
        assert len(row.last_error.splitlines()) <= 1


@given(TEXTS, st.dictionaries(TEXTS, JSON, max_size=3))
@settings(max_examples=50, deadline=None)
def test_any_text_in_the_audit_is_found_unchanged(tmp_path_factory, text, values):
    folder: Path = tmp_path_factory.mktemp("audit")
    database = Database(f"sqlite:///{folder}/blossomtune.db")
    with database.write() as session:
        record(session, SYSTEM, "run.start", text, target_name=text, before=values, after=values)
    trail = AuditLog(database, folder)
    trail.begin()
    verdict = trail.verify(ADMIN)
    assert verdict.good, verdict
    database.close()


def test_half_characters_and_nul_are_written_out_and_numbers_end_at_64_bits():
    odd = ["\x00", 10**30, -(10**30), True, None, 0.5, math.inf, -math.inf, math.nan]
    assert kept({"a\ud800": odd}) == {
        "a\\ud800": [
            *("\\u0000", 2**63 - 1, -(2**63 - 1), True, None, 0.5),
            *("inf", "-inf", "nan"),
        ]
    }
