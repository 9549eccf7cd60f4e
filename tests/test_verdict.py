"""How a run ended is told by what its sites answered, not only by what Flower calls it."""

from dataclasses import replace

import pytest

from blossomtune_gradio.flower.lines.diagnosis import Who
from blossomtune_gradio.flower.lines.round_log import Replies
from blossomtune_gradio.flower.link.given import ErrorReply
from blossomtune_gradio.services.runs.judging.end import StopWish
from blossomtune_gradio.services.runs.judging.tally import Tally
from blossomtune_gradio.services.runs.judging.verdict import judged, unknown_run
from blossomtune_gradio.store.models import Run, RunSite, RunStatus
from blossomtune_gradio.views.run import run_tone

COMPLETED = replace(unknown_run(1), sub_status="completed")
FAILED = replace(
    COMPLETED,
    sub_status="failed",
    details="ServerApp failed with exception: list index out of range",
)
NAMES = {11: "Alder", 12: "Birch", 13: "Cedar"}
NO_SKLEARN = "<class 'ModuleNotFoundError'>:<'No module named 'sklearn''>"
NO_HUB = "<class 'ConnectionError'>:<'Couldn't reach 'scikit-learn/iris' on the Hub (X)'>"
KEY = "<class 'KeyError'>:<''age''>"
LOG = [
    "ERROR :     ServerApp raised an exception",
    "Traceback (most recent call last):",
    '  File "/srv/apps/a.b.1.0.0.00/b/server_app.py", line 40, in main',
    "    result.arrays[0]",
    "IndexError: list index out of range",
    "ERROR :     Exit Code: 201",
]


def ended(fact, *errors, good=0, asked=0, replies=()):
    """`errors` are (node, reason); each of them was asked once, and `good` more answered well."""
    tally = Tally()
    tally.errors = [
        ErrorReply(i, f"m{i}", node, said, True) for i, (node, said) in enumerate(errors)
    ]
    tally.sites = [
        RunSite(node_id=str(node), asked=1, answered=1, failures=1) for node, _ in errors
    ]
    tally.sites += [RunSite(node_id="9", asked=asked, answered=good, failures=0)] if asked else []
    for event in replies:
        tally.add(event)
    for line in LOG if fact is FAILED else ():
        tally.hear(line)
    who = lambda node: Who(NAMES[node], f"at {NAMES[node]}")  # noqa: E731
    return judged(fact, tally, StopWish(), who)


def test_when_every_site_failed_their_reasons_are_the_cause_and_not_the_servers_apps_end():
    verdict = ended(FAILED, (11, NO_SKLEARN), (12, NO_HUB))
    assert (verdict.status, verdict.code) == (RunStatus.FAILED, "all replies failed")
    assert "Alder needs the Python package scikit-learn" in verdict.cause
    assert "Birch could not get scikit-learn/iris" in verdict.cause
    assert "IndexError" not in verdict.cause
    assert verdict.evidence[-1] == "The ServerApp then ended: IndexError: list index out of range"


def test_a_run_whose_sites_all_failed_is_not_completed_whatever_its_app_says():
    verdict = ended(COMPLETED, (11, NO_HUB), (12, NO_HUB))
    assert (verdict.status, verdict.code) == (RunStatus.FAILED, "hub-unreachable")
    assert "Alder and Birch could not get" in verdict.cause
    assert "HF_HOME" in verdict.advice


def test_a_completed_run_in_which_one_site_failed_has_a_remark():
    verdict = ended(COMPLETED, (11, KEY), asked=1, good=1)
    assert (verdict.status, verdict.code) == (RunStatus.COMPLETED, "exception")
    assert verdict.cause == "Not every answer was good. KeyError: 'age' (at Alder)."


def test_a_servers_apps_own_end_stays_the_cause_while_a_site_answered_well():
    verdict = ended(FAILED, (11, KEY), asked=1, good=1)
    assert verdict.code == "exception"
    assert verdict.cause.startswith(
        "IndexError: list index out of range (in the ServerApp, b/server_app.py, line 40)."
    )
    assert "KeyError: 'age' (at Alder)" in verdict.cause


def test_a_killed_servers_app_is_not_explained_by_its_sites():
    killed = replace(FAILED, details="No heartbeat received from the task")
    assert ended(killed, (11, KEY)).code == "server-killed"


def test_different_words_are_never_put_into_other_sites_mouths():
    other = "<class 'ValueError'>:<'bad row'>"
    verdict = ended(COMPLETED, (13, KEY), (12, other), (11, KEY))
    assert verdict.code == "all replies failed"
    assert "KeyError: 'age' (at Alder and Cedar)" in verdict.cause
    assert "ValueError: bad row (at Birch)" in verdict.cause


@pytest.mark.parametrize(
    ("asked", "words"), [(0, "no site was asked for anything"), (2, "no site has answered")]
)
def test_a_run_in_which_nothing_was_done_is_no_plain_success(asked, words):
    verdict = ended(COMPLETED, asked=asked)
    assert (verdict.status, verdict.code) == (RunStatus.COMPLETED, "nothing done")
    assert words in verdict.cause
    assert verdict.advice
    run = Run(status_word="completed", cause_code=verdict.code)
    assert run_tone(run) == "busy"


@pytest.mark.parametrize(
    "fact_and_work",
    [
        (COMPLETED, {"asked": 2, "good": 2}),  # a loop of the app's own, no rounds in its log
        (replace(COMPLETED, client_seconds=0.2), {}),  # quicker than our looks
        (COMPLETED, {"replies": [Replies("train", 1, 2, 0)]}),
    ],
)
def test_a_run_whose_sites_worked_has_no_remark(fact_and_work):
    fact, work = fact_and_work
    verdict = ended(fact, **work)
    assert (verdict.status, verdict.cause) == (RunStatus.COMPLETED, "")
    assert run_tone(Run(status_word="completed", cause_code="")) == "good"
