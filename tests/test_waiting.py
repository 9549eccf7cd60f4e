"""What a run waits for, and what a stop of it cuts off: the words, without a federation."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from blossomtune_gradio.services.runs import timeline
from blossomtune_gradio.services.runs.asking import stake
from blossomtune_gradio.services.runs.watching import waiting
from blossomtune_gradio.store.models import Run, RunEvent, RunSite, RunStatus, now
from blossomtune_gradio.views.wait import WaitView


def a_run(**more: object) -> Run:
    words = {
        "id": 1,
        "name": "trial",
        "app": "a",
        "created_by": "x",
        "round": 2,
        "rounds": 4,
        "config": {},
        "partitions": 2,
    }
    words |= {"status_word": "running", "round_seconds": 0, "stop_asked_by": ""}
    return Run(**(words | more))


def asked(name: str, seconds: float | None) -> RunSite:
    """A site that is at work for so long; None: it has answered."""
    since = None if seconds is None else now() - timedelta(seconds=seconds)
    return RunSite(name=name, node_id=name, open_messages=["m"] if since else [], open_since=since)


@pytest.mark.parametrize(
    ("seconds", "longest_round", "round_seconds", "late"),
    [
        (40, 0, 0, False),  # the first round tells how long one takes
        (700, 0, 0, True),
        (59, 5, 0, False),  # under a minute nothing is late
        (70, 5, 0, True),
        (70, 40, 0, False),  # rounds take as long as they take
        (90, 40, 0, True),
        (3000, 2000, 0, False),
        (31, 0, 60, True),  # half of what a round may take is over
        (29, 0, 60, False),
    ],
)
def test_a_site_at_work_is_no_alarm_until_it_takes_much_longer(
    seconds, longest_round, round_seconds, late
):
    rows = [asked("Alder", seconds), asked("Birch", None)]
    wait = waiting.for_answers(a_run(round_seconds=round_seconds), rows, longest_round)
    assert wait.late is late
    assert "1 of 2 sites have answered" in wait.short
    assert [site.what for site in WaitView.of(wait).sites] == [
        "has not answered" if late else "at work"
    ]


def test_nobody_is_waited_for_when_all_have_answered():
    assert waiting.for_answers(a_run(), [asked("Alder", None)]) is None


def test_the_longest_round_is_read_from_the_timeline(database):
    with database.write() as session:
        session.add(a_run())
        session.flush()
        for number in range(4):
            timeline.note(session, 1, "round", f"Round {number} begins.")
        timeline.note(session, 1, "site", "Alder failed.")
        assert timeline.longest_round(session, 1) < 5
    with database.write() as session:
        events = session.query(RunEvent).order_by(RunEvent.id).all()
        for event, second in zip(events, (0, 10, 40, 41, 500), strict=True):
            later = events[0].at + timedelta(seconds=second)
            session.execute(update(RunEvent).where(RunEvent.id == event.id).values(at=later))
        session.flush()
        assert timeline.longest_round(session, 1) == pytest.approx(30, abs=0.1)
        assert timeline.longest_round(session, 2) == 0


def test_where_no_site_is_missing_nobody_is_told_to_start_one():
    wait = waiting.for_sites(a_run(quorum_seconds=0), 5, [], 3)
    assert "Needs 5 sites, 3 online" in wait.sentence
    assert "Approve more sites" in wait.sentence
    assert "SuperNode" not in wait.sentence


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (a_run(), "This cuts it off: round 2 of 4, 1 site at work."),
        (a_run(round=0), "This cuts it off: before its first round, 1 site at work."),
        (a_run(rounds=0), "This cuts it off: round 2, 1 site at work."),
        (a_run(status_word="queued"), ""),
        (a_run(status_word=RunStatus.COMPLETED.value), ""),
        (a_run(stop_asked_by="boss"), ""),
    ],
)
def test_a_stop_says_what_it_cuts_off(run, says):
    sites = [asked("Alder", 3), asked("Birch", None)]
    assert stake.of_run(run, sites) == says
    whole = f"This ends what runs: trial ({says[18:-1]})." if says else ""
    assert stake.of_superlink([(run, sites)]) == whole
