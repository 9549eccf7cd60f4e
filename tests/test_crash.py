"""kill -9 at moments of a seed: what ran goes on or its end is named, once, and the queue goes on.

Together the tests kill each program at least five times, several kinds within one run as a lost
site takes Flower a minute; `-m soak` kills each kind twenty times, in a run each.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from blossomtune_gradio.application import Application
from blossomtune_gradio.processes import is_free
from tests.crash import (
    EXECUTOR,
    KINDS,
    SUPERLINK,
    SUPERNODE,
    WEB,
    Crashable,
    of_all,
    pause,
)
from tests.live import PATH, live_settings
from tests.people import ADMIN
from tests.support import held, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ENDED = "executor ended"  # the cause of a run whose ServerApp was killed with its executor


# -- start and stop again and again ---------------------------------------------------------------


def cycles(folder: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start and stop the SuperLink; nothing may grow after the first two times."""
    temporary = folder / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    app = Application(live_settings(folder), PATH)
    app.open()
    me = psutil.Process()
    others = set(me.children(recursive=True))  # of tests before this one
    files: list[int] = []
    memory: list[float] = []
    try:
        for _ in range(2 + count):
            app.federation.start(by=ADMIN)
            port = app.options.superlink_port()
            app.federation.stop(by=ADMIN)
            assert set(me.children(recursive=True)) <= others
            assert is_free(port)
            assert (
                list((app.superlink.connection.home / "tmp").iterdir())
                == list(temporary.iterdir())
                == []
            )
            assert list((app.settings.data_dir / "processes").iterdir()) == []
            files.append(me.num_fds() - pooled(me))
            memory.append(me.memory_info().rss / 2**20)
    finally:
        app.close()
    print(f"open files {files[2:]}, MiB {[round(mb) for mb in memory[2:]]}")
    assert max(files[2:]) <= files[1] + 2, files  # a keep-alive connection or the like
    assert memory[-1] - memory[2] <= 5 + 0.2 * count, memory


def pooled(process: psutil.Process) -> int:
    """Open files of the pool of the database: as many as threads have asked at a time so far."""
    return sum("blossomtune.db" in file.path for file in process.open_files())


def test_five_starts_and_stops_leave_nothing(tmp_path, monkeypatch):
    cycles(tmp_path, 3, monkeypatch)


@pytest.mark.soak
def test_fifty_starts_and_stops_leave_nothing(tmp_path, monkeypatch):
    cycles(tmp_path, 50, monkeypatch)


# -- kill -9 ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crashable]:
    with Crashable(tmp_path_factory.mktemp("crash"), "a", "b", "c", run_slots=5) as made:
        yield made
        assert made.end() == 0  # SIGTERM, after all that


def test_a_killed_flwr_run_is_repeated_and_a_lost_answer_is_found_in_flower(federation):
    repeated = federation.start("submitted twice", num_server_rounds=2)
    federation.kill(f"flwr-run-{repeated}")
    lost = federation.start("answer lost", num_server_rounds=2, client_sleep=0.3)
    answer = federation.data / "runs" / str(lost) / "submit.out"
    wait_for(lambda: federation.recorded(f"flwr-run-{lost}"), 180, every=0.01)
    federation.kill(WEB)
    wait_for(lambda: "run-id" in answer.read_text(), 180)
    answer.write_text("")  # it never reached the disk
    federation.serve()
    for run in (repeated, lost):
        assert federation.ended(run)["status"] == "completed", federation.run(run)
    log = federation.log(f"run-{lost}")
    assert any("answer of flwr run was lost" in line for line in log), log[:20]
    assert of_all(federation, [repeated, lost]) == []


def test_answers_that_a_dying_superlink_took_out_reach_the_servers_app(federation):
    """It marks them as sent, deletes them, sends them. No kill -9 of ours would hit that moment."""
    run = federation.start("taken out", num_server_rounds=2, client_sleep=5.0, min_nodes=3)
    wait_for(lambda: federation.run(run)["round"] >= 1, 180, every=0.1)
    with held(federation.servers_app()), closing(flowers_database(federation)) as database:
        wait_for(lambda: len(list(database.execute("SELECT * FROM message_res"))) == 3, 60)
        database.execute("UPDATE message_res SET delivered_at = '2026-01-01T00:00:00+00:00'")
        database.commit()
        federation.until_recovered(SUPERLINK, federation.kill(SUPERLINK))
    ended = federation.ended(run)
    assert (ended["status"], ended["cause_code"]) == ("completed", ""), ended
    assert any("3 answer(s)" in line for line in federation.log("blossomtune"))


def flowers_database(federation: Crashable) -> sqlite3.Connection:
    return sqlite3.connect(federation.data / "flower" / "superlink.db", timeout=10)


def test_a_run_goes_on_whatever_is_killed_beside_its_servers_app(federation):
    dice = random.Random(1)
    others = [(WEB, ""), (WEB, ""), *[(SUPERNODE, s) for s in dice.sample(federation.sites(), 2)]]
    dice.shuffle(others)
    # Never the SuperLink twice in a row: Flower gives a ServerApp up that is silent for a minute.
    kills = [kill for other in others for kill in ((SUPERLINK, ""), other)]
    run = federation.start("survivor", client_sleep=2.0)
    wait_for(lambda: federation.run(run)["round"] >= 1, 180, every=0.2)
    for kind, site in kills:
        pause(dice.uniform(0, 3))
        superlink = federation.recorded(SUPERLINK)
        dead = federation.kill(kind, site)
        if kind != SUPERNODE:  # that one takes a minute, in which others may die
            federation.until_recovered(kind, dead)
        if kind == WEB:
            assert federation.recorded(SUPERLINK) == superlink, "not adopted but started again"
    ended = federation.ended(run)
    if ended["status"] == "failed":  # busy: Flower gives a ServerApp up after a silent minute
        assert ended["cause_code"] == "superlink ended", ended
    else:
        assert (ended["status"], ended["round"]) == ("completed", 5), ended
        assert ended["cause_code"] in ("", "node-lost"), ended
    assert of_all(federation, [run]) == []


def test_a_killed_executor_ends_its_runs_by_name_and_the_queue_goes_on(federation):
    dice = random.Random(2)
    victims: list[int] = []
    for number in range(4):
        victims.append(federation.start(f"victim {number}", client_sleep=1.0, min_nodes=1))
        wait_for(lambda run=victims[-1]: federation.run(run)["status"] == "running", 180, every=0.2)
        pause(dice.uniform(0, 3))
        dead = federation.kill(EXECUTOR)
        if number == 1:
            federation.until_recovered(WEB, federation.kill(WEB))
        federation.until_recovered(EXECUTOR, dead)
    last = federation.start("the next one")
    ends = [federation.ended(run) for run in victims]
    assert {(e["status"], e["cause_code"]) for e in ends} <= {
        ("failed", ENDED),
        ("completed", ""),
        ("completed", "node-lost"),
    }, ends
    assert any(e["cause_code"] == ENDED for e in ends), ends
    assert federation.ended(last)["status"] == "completed"
    assert of_all(federation, [*victims, last]) == []


def test_after_a_power_cut_every_state_is_true_and_the_queue_goes_on(federation):
    kept = federation.memory()
    assert any(story["metrics"] for story in kept.values())
    run = federation.start("in the dark", client_sleep=2.0)
    wait_for(lambda: federation.run(run)["round"] >= 2, 180, every=0.2)
    behind = federation.start("behind it")
    federation.kill(WEB)
    for process in federation.leftovers():
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_for(lambda: not federation.leftovers(), 30)
    federation.serve()
    for name in federation.sites():
        federation.join(name)
    first, second = federation.ended(run), federation.ended(behind)
    assert (first["status"], first["cause_code"]) == ("failed", ENDED), first
    assert "power cut" in " ".join(first["evidence"])
    assert second["status"] == "completed", second
    assert of_all(federation, [run, behind]) == []
    assert {number: federation.memory()[number] for number in kept} == kept


def test_after_an_orderly_end_everything_is_there_again(federation):
    kept, sites = federation.memory(), federation.sites()
    assert federation.end() == 0  # SIGTERM
    assert federation.recorded(SUPERLINK) is federation.recorded(EXECUTOR) is None
    federation.serve()
    assert federation.memory() == kept
    assert sorted(site["name"] for site in federation.get("sites")) == sites
    wait_for(lambda: federation.online() == set(sites), 180)  # the SuperLink, too, came up again


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("kind", KINDS)
def test_twenty_kills_of_one_kind(federation, kind):
    """Each in a run of its own; the ends are counted and printed."""
    ends: Counter[str] = Counter()
    runs = []
    for seed in range(20):
        dice = random.Random(f"{kind} {seed}")
        run = federation.start(f"{kind} {seed}", client_sleep=1.0, min_nodes=1)
        pause(dice.uniform(0, 20))
        site = dice.choice(federation.sites())
        federation.until_recovered(kind, federation.kill(kind, site), site)
        ended = federation.ended(run)
        ends[f"{ended['status']} {ended['cause_code']}".strip()] += 1
        runs.append(run)
    print(f"{kind}: {dict(ends)}")
    assert of_all(federation, runs) == []
    allowed = {"completed", f"failed {ENDED}"} if kind == EXECUTOR else {"completed"}
    assert set(ends) <= allowed | {"completed node-lost"}, ends
