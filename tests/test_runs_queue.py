"""The queue over two real sites: order, crashes, slots, deadlines, who is missing."""

from contextlib import suppress

import psutil
import pytest

from blossomtune_gradio.errors import InvalidFields, NotPossible
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.services.runs.judging.end import Cause
from blossomtune_gradio.services.runs.limits import GO_ON, RunLimits
from blossomtune_gradio.services.sites.reports import Report
from blossomtune_gradio.store.models import RunStatus
from blossomtune_gradio.views.wait import WaitView
from tests.live import LiveFederation
from tests.people import ADMIN, approved, person
from tests.support import wait_for
from tests.test_kits import token_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LONG = 400  # seconds a busy machine may take


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("queue")
    with LiveFederation(folder, run_slots=2) as made:
        made.app.federation.start(by=ADMIN)
        made.add_sites("North", "South")
        yield made


def deploy(federation, app, name, limits=None, **config):
    given = {key.replace("_", "-"): value for key, value in config.items()}
    return federation.app.runs.start(
        app, ADMIN, name=name, config=given, limits=limits or RunLimits()
    )


def programs_of_runs(federation) -> list[list[str]]:
    """What still runs of `flwr run` and of ServerApps below the folder of this federation."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = process.cmdline()
            ours = any(word.endswith(("/flwr", "/flwr-serverapp")) for word in words[:3])
            if ours and str(federation.folder) in process.cwd():
                found.append(words)
    return found


def kinds(federation, run):
    return [event.kind for event in federation.app.history.events(run.id, ADMIN)]


def test_two_runs_in_two_slots_are_both_right_and_their_logs_never_mixed(federation):
    one = deploy(federation, "message_app", "side by side", note="AAAA", client_sleep=2.0)
    two = deploy(federation, "message_app", "the other", note="BBBB", client_sleep=2.0)
    runs = federation.app.runs
    wait_for(lambda: len(runs.active(ADMIN)) == 2 and runs.get(two.id, ADMIN).round, LONG)
    third = deploy(federation, "numpy_app", "has no slot")
    wait = runs.wait(runs.get(third.id, ADMIN), ADMIN)
    assert wait.code == "slot"
    assert "side by side, the other" in wait.sentence
    ended = [federation.ended(run, LONG) for run in (one, two, third)]
    assert [run.status for run in ended] == [RunStatus.COMPLETED] * 3
    for run, own, foreign in ((one, "AAAA", "BBBB"), (two, "BBBB", "AAAA")):
        text = "\n".join(federation.log(f"run-{run.id}"))
        assert f"note: {own}" in text
        assert foreign not in text
        assert text.count("[ROUND 1/2]") == text.count("[ROUND 2/2]") == 1
        values = federation.app.metrics.values(run.id, ADMIN)
        assert {v.round for v in values if v.name == "train/replies"} == {1, 2}


def test_what_each_site_did_and_what_it_cost_is_kept(federation):
    run = federation.ended(
        deploy(federation, "message_app", "half broken", mode="raise", faulty="1", min_nodes=2),
        LONG,
    )
    rows = {row.name: row for row in federation.app.history.sites(run.id, ADMIN)}
    assert set(rows) == {"North", "South"}
    assert rows["North"].failures == 0
    assert rows["North"].answered >= 2
    assert rows["South"].failures >= 1
    assert "told to fail" in rows["South"].last_error
    assert all(not row.open_messages for row in rows.values())
    assert run.bytes_sent > 0
    assert run.server_seconds > 0
    assert run.app_hash == federation.app.apps.get("message_app").bundle_hash
    assert kinds(federation, run)[:3] == ["queued", "submitted", "running"]
    assert kinds(federation, run)[-1] == "end"


def test_ten_runs_of_which_three_crash_leave_seven_that_complete_in_order(federation):
    apps = federation.app.settings.flower_apps_dir
    crash = {2: {"size": -1}, 5: {"mode": "raise"}}  # the ServerApp raises; every client does
    runs = []
    for number in range(10):
        config = {"num_server_rounds": 1, "evaluate": False, **crash.get(number, {})}
        app = "numpy_app" if number == 8 else "message_app"
        config = {"num_server_rounds": 1} if number == 8 else config
        runs.append(deploy(federation, app, f"ten {number}", **config))
    project = apps / "numpy_app" / "pyproject.toml"
    text = project.read_text()
    project.write_text(text.replace("numpy_app.server_app:app", "numpy_app.nothing:app"))
    try:
        ended = [federation.ended(run, LONG) for run in runs]
    finally:
        project.write_text(text)
    failed = {n: run for n, run in enumerate(ended) if run.status is not RunStatus.COMPLETED}
    assert sorted(failed) == [2, 5, 8]
    assert {run.status for run in failed.values()} == {RunStatus.FAILED}
    assert [failed[n].cause_code for n in (2, 5)] == ["exception", "exception"]
    assert failed[8].cause_code in (Cause.REFUSED, "bad-import")
    assert all(failed[n].evidence for n in (2, 5, 8))
    admitted = [
        next(event.id for event in events if event.kind == "submitted")
        for events in (federation.app.history.events(run.id, ADMIN) for run in runs)
    ]
    assert admitted == sorted(admitted)
    assert federation.app.runs.queue(ADMIN) == []


def test_a_run_that_needs_more_sites_names_the_missing_and_holds_nobody_up(federation):
    held = deploy(federation, "numpy_app", "needs three", RunLimits(min_sites=3))
    runs = federation.app.runs

    def card():
        return runs.wait(runs.get(held.id, ADMIN), ADMIN)

    wait_for(lambda: card() and card().code == "sites", 5)
    assert "Needs 3 sites, 2 online." in card().sentence
    behind = federation.ended(
        deploy(federation, "numpy_app", "overtakes", num_server_rounds=1), LONG
    )
    assert behind.status is RunStatus.COMPLETED
    assert kinds(federation, held) == ["queued", "waiting"]
    stopped = runs.stop(held.id, ADMIN)
    assert (stopped.status, stopped.cause_code) == (RunStatus.STOPPED, Cause.CANCELLED)


def test_a_missing_site_whose_clock_is_wrong_is_named_with_that(federation):
    app = federation.app
    east = approved(app.participants, app.outbox, "east")
    clock = {"name": "clock", "state": "FAIL", "sentence": "The clock is 400 s behind."}
    fine = {"name": "flwr", "state": "PASS", "sentence": "1.41.0"}
    report = Report.model_validate({"good": False, "checks": [fine, clock]})
    app.site_reports.take(token_of(app.kits.make(east.id, by=ADMIN)), report)
    held = deploy(federation, "numpy_app", "needs east", RunLimits(min_sites=3))

    def card():
        return app.runs.wait(app.runs.get(held.id, ADMIN), ADMIN)

    wait_for(lambda: card() and card().code == "sites", 5)
    assert f"Missing: {east.site} (never seen)." in card().sentence  # it is kept, and read by all
    row = {"name": east.site, "what": "kit not used yet", "seen": None}
    assert WaitView.of(card()).to_json()["sites"] == [{**row, "failed": "clock"}]
    others = app.runs.wait(app.runs.get(held.id, ADMIN), person("ada"))
    assert WaitView.of(others).to_json()["sites"] == [{**row, "failed": ""}]
    app.runs.stop(held.id, ADMIN)
    app.participants.revoke(east.id, ADMIN)


def test_the_quorum_deadline_ends_a_run_that_waits_in_flower(federation):
    federation.app.alerts.wish(["run_failed"], "ada@example.org", ADMIN)
    run = deploy(federation, "message_app", "no quorum", RunLimits(quorum_seconds=20), min_nodes=3)
    wait_for(lambda: programs_of_runs(federation), LONG)
    ended = federation.ended(run, LONG)
    assert (ended.status, ended.cause_code) == (RunStatus.STOPPED, Cause.QUORUM)
    assert "Needs 3 sites, 2 online." in ended.cause
    assert ended.stop_asked_by == "BlossomTune"
    wait_for(lambda: not programs_of_runs(federation), 30)
    fact = federation.app.superlink.control.run(int(ended.flower_run_id))
    assert fact.sub_status == "stopped"
    mail = federation.app.outbox.newest(ADMIN)[0]
    assert (mail.kind, mail.recipient) == ("run_failed", "ada@example.org")


def test_after_the_quorum_deadline_a_run_goes_on_with_those_who_are_there(federation):
    limits = RunLimits(min_sites=3, quorum_seconds=2, on_quorum=GO_ON)
    held = deploy(federation, "message_app", "held then on", limits, num_server_rounds=1)
    in_flower = deploy(
        federation,
        "message_app",
        "waits in Flower then on",
        RunLimits(quorum_seconds=2, on_quorum=GO_ON),
        min_nodes=3,
        num_server_rounds=1,
    )
    for run in (held, in_flower):
        ended = federation.ended(run, LONG)
        assert (ended.status, ended.cause) == (RunStatus.COMPLETED, ""), ended.cause
        assert ended.config["min-nodes"] == 2
        assert "quorum" in kinds(federation, run)


def test_a_round_that_takes_too_long_ends_the_run_and_names_who_is_silent(federation):
    run = deploy(
        federation,
        "message_app",
        "slow round",
        RunLimits(round_seconds=8),
        client_sleep=30.0,
        num_server_rounds=1,
    )
    ended = federation.ended(run, LONG)
    assert (ended.status, ended.cause_code) == (RunStatus.STOPPED, Cause.ROUND_TIMEOUT)
    assert "North" in ended.cause
    assert "South" in ended.cause


def test_the_order_of_the_queue_can_be_changed(federation):
    runs = federation.app.runs
    names = [deploy(federation, "numpy_app", f"q{n}", RunLimits(min_sites=3)) for n in range(3)]
    runs.move(names[2].id, "up", ADMIN)
    runs.move(names[0].id, "down", ADMIN)
    assert [run.name for run in runs.queue(ADMIN)] == ["q2", "q0", "q1"]
    for run in names:
        runs.stop(run.id, ADMIN)
    with pytest.raises(NotPossible, match="no place in the queue"):
        runs.move(names[0].id, "up", ADMIN)


def test_a_deleted_run_takes_its_log_along_and_its_number_is_not_given_again(federation):
    history, logs = federation.app.history, federation.app.logs
    run = deploy(federation, "numpy_app", "to be deleted", RunLimits(min_sites=3))
    with pytest.raises(NotPossible, match="stop it before"):
        history.delete(run.id, ADMIN)
    federation.app.runs.stop(run.id, ADMIN)
    logs.append(f"run-{run.id}", ["a line"])
    other = User(provider="hf", sub="9", name="Eve", role=Role.RESEARCHER)
    with pytest.raises(Exception, match="Only the owner or an admin"):
        history.delete(run.id, other)
    history.delete(run.id, ADMIN)
    assert f"run-{run.id}" not in logs.sources()
    assert not logs.path(f"run-{run.id}").exists()
    fresh = deploy(federation, "numpy_app", "after it", RunLimits(min_sites=3))
    assert fresh.id == run.id + 1
    federation.app.runs.stop(fresh.id, ADMIN)


def test_wrong_limits_and_values_are_told_field_by_field(federation):
    with pytest.raises(InvalidFields) as told:
        federation.app.runs.start(
            "message_app",
            ADMIN,
            name="bad/name",
            config={"size": 2.5, "nothing": 1},
            limits=RunLimits(min_sites=-1, on_quorum="panic"),
        )
    fields = told.value.fields
    assert set(fields) == {"name", "config.size", "config.nothing", "min_sites", "on_quorum"}
