"""Runs over two real sites: the whole way from the click to the end, and every way to end."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from blossomtune_gradio.errors import InvalidInput, NotAllowed, NotFound, NotPossible
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.store.models import RunStatus
from tests.live import APPS
from tests.people import ADMIN, person
from tests.support import wait_for

pytest_plugins = ["tests.live_fixtures"]
pytestmark = pytest.mark.slow


# app: some of the points it must draw, by name, round and site
POINTS: dict[str, dict[tuple[str, int, str], float]] = {
    "message_app": {
        ("evaluate/loss", 1, ""): 0.25,
        ("evaluate/loss", 2, ""): 0.0625,
        ("server/accuracy", 0, ""): 0,
        ("server/accuracy", 1, ""): 0.5,
        ("server/accuracy", 2, ""): 0.75,
        ("server/loss", 0, ""): 1,
        ("server/loss", 2, ""): 0.0625,
        ("train/loss", 1, ""): 0.25,
        ("train/loss", 2, ""): 0.0625,
    },
    "legacy_app": {
        ("train/accuracy", 1, ""): 0.5,
        ("evaluate/loss", 1, ""): 0.25,
        ("evaluate/accuracy", 1, ""): 0.5,
        ("server/accuracy", 0, ""): 0,
    },
    "numpy_app": {("server/loss", 1, ""): 0.25},
}


@pytest.mark.parametrize("name", POINTS)
def test_an_unmodified_app_of_each_style_completes_and_draws_points(federation, tmp_path, name):
    run = federation.ended(federation.start(name))
    assert (run.status, run.cause) == (RunStatus.COMPLETED, "")
    values = federation.app.metrics.values(run.id, ADMIN)
    assert {value.round for value in values} >= {1, 2}
    assert POINTS[name].items() <= {(v.name, v.round, v.site): v.value for v in values}.items()
    sites = {value.site for value in values if value.name == "site/loss"}
    assert sites == ({"0", "1"} if name == "numpy_app" else set())
    assert federation.log(f"run-{run.id}")[0].startswith("$ ")
    flowers = federation.app.superlink.control.log_now(int(run.flower_run_id))
    store = LogStore(tmp_path / "logs")
    store.append("said", flowers.text.split("\n")[:-1])
    said = [line.text for line in store.since({"said": 0}, limit=10_000).lines]
    assert len(said) > 5
    assert federation.log(f"run-{run.id}")[-len(said) :] == said
    given = federation.app.superlink.messages.given_to(int(run.flower_run_id), 0)
    assert given is not None
    assert (given.whole, given.errors) == (True, [])
    rows = federation.app.history.sites(run.id, ADMIN)
    assert {row.name for row in rows} == {"North", "South"}
    told = [str(node) for _, node in given.good]
    assert {row.node_id: (row.asked, row.answered) for row in rows} == {
        row.node_id: (told.count(row.node_id), told.count(row.node_id)) for row in rows
    }


def test_an_app_dropped_into_the_folder_shows_up_without_a_restart(federation):
    folder = Path(federation.app.settings.flower_apps_dir) / "dropped_in"
    shutil.copytree(APPS / "message_app", folder)
    try:
        assert "dropped_in" in [app.name for app in federation.app.apps.apps()]
        assert federation.app.apps.get("dropped_in").runnable
    finally:
        shutil.rmtree(folder)
    with pytest.raises(NotFound, match="dropped_in"):
        federation.start("dropped_in")


def test_a_stopped_run_is_stopped_in_flower_too(federation):
    run = federation.start("message_app", client_sleep=15.0)
    wait_for(lambda: federation.app.runs.get(run.id, ADMIN).round == 1, 60)
    federation.app.runs.stop(run.id, ADMIN)
    run = federation.ended(run, 30)
    assert run.status is RunStatus.STOPPED
    assert "local admin" in run.cause
    assert federation.app.superlink.control.run(int(run.flower_run_id)).sub_status == "stopped"
    with pytest.raises(NotPossible, match="stopped already"):
        federation.app.runs.stop(run.id, ADMIN)


def test_an_app_that_waits_without_a_word_is_understood_too(federation):
    run = federation.start("numpy_app", min_nodes=3)
    wait_for(lambda: "Needs 3 sites, 2 online" in federation.why(run), 60)
    federation.app.runs.stop(run.id, ADMIN)
    assert federation.ended(run, 30).status is RunStatus.STOPPED


def test_a_run_that_waits_says_for_how_many_and_who_is_missing(federation):
    run = federation.start("message_app", min_nodes=3)
    wait_for(lambda: "Needs 3 sites, 2 online" in federation.why(run), 60)
    queued = federation.start("numpy_app")
    assert f"Waits for {run.name} to end" in federation.why(queued)
    assert federation.app.runs.stop(queued.id, ADMIN).status is RunStatus.STOPPED
    federation.app.runs.stop(run.id, ADMIN)
    assert federation.ended(run, 30).status is RunStatus.STOPPED


def test_a_wrong_configuration_starts_nothing(federation):
    before = len(federation.app.runs.list(ADMIN))
    with pytest.raises(InvalidInput, match="no-such-key"):
        federation.app.runs.start("message_app", ADMIN, config={"no-such-key": 1})
    with pytest.raises(InvalidInput, match="size"):
        federation.app.runs.start("message_app", ADMIN, config={"size": "ten"})
    with pytest.raises(NotPossible, match="split their data into 3"):
        federation.app.runs.start("message_app", ADMIN, partitions=7)
    assert len(federation.app.runs.list(ADMIN)) == before


def test_a_participant_may_look_but_not_start(federation):
    ada = person("ada")
    with pytest.raises(NotAllowed):
        federation.app.runs.start("message_app", ada)
    assert federation.app.runs.list(ada)


def test_the_same_idempotency_key_makes_one_run_and_a_taken_name_is_told(federation):
    first = federation.app.runs.start("numpy_app", ADMIN, name="twice", key="k1")
    again = federation.app.runs.start("numpy_app", ADMIN, name="twice", key="k1")
    assert again.id == first.id
    with pytest.raises(NotPossible, match="named 'twice'"):
        federation.app.runs.start("numpy_app", ADMIN, name="twice")
    federation.ended(first)


@pytest.mark.concurrent
def test_a_click_that_arrives_twenty_times_at_once_is_one_run(federation):
    runs, key, waits = (
        federation.app.runs,
        uuid4().hex,
        {"min-nodes": 3},
    )  # so it never ends by itself
    with ThreadPoolExecutor(20) as pool:
        made = list(
            pool.map(lambda _: runs.start("numpy_app", ADMIN, key=key, config=waits), range(20))
        )
    assert len({run.id for run in made}) == 1
    others = [runs.start("numpy_app", ADMIN, config=waits) for _ in range(2)]
    assert len({run.name for run in (made[0], *others)}) == 3
    for run in (*others, made[0]):
        federation.app.runs.stop(run.id, ADMIN)
