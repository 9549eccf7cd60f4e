"""Finding, marking and deleting runs; presets; forms; the download. A database, no Flower."""

import shlex

import pytest

from blossomtune_gradio.errors import InvalidFields, NotAllowed
from blossomtune_gradio.flower.apps.catalogue import AppCatalogue, read_app
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.runs.asking.history import OPEN, RunFilter, RunHistory
from blossomtune_gradio.services.runs.asking.presets import PresetService
from blossomtune_gradio.services.runs.asking.request import differences, from_form, shown_command
from blossomtune_gradio.services.runs.folder import RunFolders
from blossomtune_gradio.services.runs.limits import RunLimits
from blossomtune_gradio.store.models import AuditEntry, MetricPoint, Run, RunEvent, RunStatus
from tests.live import APPS
from tests.people import ADMIN, person

ADA = User(provider="hf", sub="1", name="Ada", role=Role.RESEARCHER)
EVE = User(provider="hf", sub="2", name="Eve", role=Role.RESEARCHER)


@pytest.fixture
def history(database, tmp_path):
    folders = RunFolders(tmp_path / "runs", lambda run: tmp_path / "work" / str(run.flower_run_id))
    return RunHistory(database, LogStore(tmp_path / "logs"), folders)


@pytest.fixture
def runs(database):
    made = []
    for number, (app, tags, end) in enumerate(
        [
            ("bert", ["paper"], RunStatus.COMPLETED),
            ("bert", ["paper 2", "100%"], RunStatus.FAILED),
            ("numpy", [], None),
        ]
    ):
        run = Run(
            name=f"run_{number}",
            app=app,
            config={"lr": 1.0},
            partitions=1,
            created_by=ADA.id,
            started_by="Ada",
            tags=tags,
            status_word=RunStatus.SUBMITTED.value,
        )
        if end:
            run.move_to(end, "the dog ate it" if end is RunStatus.FAILED else "")
        made.append(run)
    with database.write() as session:
        session.add_all(made)
    return made


@pytest.mark.parametrize(
    ("what", "found"),
    [
        (RunFilter(), [2, 1, 0]),
        (RunFilter(text="dog"), [1]),
        (RunFilter(text="BERT ada"), [1, 0]),
        (RunFilter(text="100%"), [1]),
        (RunFilter(text="%"), [1]),
        (RunFilter(text="run_0"), [0]),
        (RunFilter(status="failed"), [1]),
        (RunFilter(status=OPEN), [2]),
        (RunFilter(app="numpy"), [2]),
        (RunFilter(tag="paper"), [0]),
        (RunFilter(text="nothing like it"), []),
    ],
)
def test_runs_are_found(history, runs, what, found):
    rows, total = history.search(what, ADA)
    assert [runs.index(next(r for r in runs if r.id == row.id)) for row in rows] == found
    assert total == len(found)


def test_pinned_runs_come_first_and_marks_are_in_the_audit(history, runs, database):
    history.mark(runs[0].id, EVE, pinned=True, tags=["x", " x ", "y"], note=" remember ")
    assert history.search(RunFilter(), EVE)[0][0].id == runs[0].id
    assert history.search(RunFilter(pinned=True), EVE)[1] == 1
    with database.read() as session:
        run, entry = session.get_one(Run, runs[0].id), session.query(AuditEntry).one()
    assert (run.note, run.tags) == ("remember", ["x", "y"])
    assert (entry.action, entry.actor_name) == ("run.mark", "Eve")
    with pytest.raises(InvalidFields):
        history.mark(runs[0].id, EVE, tags=["<b>"])
    with pytest.raises(NotAllowed):
        history.mark(runs[0].id, person("visitor"), pinned=False)


def test_deleting_takes_everything_of_the_run_and_nothing_else(history, runs, database, tmp_path):
    with database.write() as session:
        for run in runs:
            session.get_one(Run, run.id).flower_run_id = str(70 + run.id)
            (tmp_path / "runs" / str(run.id)).mkdir(parents=True)
            (tmp_path / "work" / str(70 + run.id)).mkdir(parents=True)
            session.add(RunEvent(run_id=run.id, kind="queued", text="x"))
            session.add(MetricPoint(run_id=run.id, name="loss", site="", round=1, value=1.0))
    with pytest.raises(NotAllowed):
        history.delete(runs[0].id, EVE)
    history.delete(runs[0].id, ADA)
    with database.read() as session:
        assert {event.run_id for event in session.query(RunEvent)} == {runs[1].id, runs[2].id}
        assert {point.run_id for point in session.query(MetricPoint)} == {runs[1].id, runs[2].id}
        assert session.query(AuditEntry).one().action == "run.delete"
    kept = [runs[1].id, runs[2].id]
    assert sorted(int(path.name) for path in (tmp_path / "runs").iterdir()) == kept
    assert sorted(int(path.name) - 70 for path in (tmp_path / "work").iterdir()) == kept


@pytest.fixture
def app():
    return read_app(APPS / "message_app", APPS)


def test_a_form_gives_only_what_differs_in_the_right_type(app):
    given = {"num-server-rounds": "2", "learning-rate": "1", "evaluate": False, "note": "5"}
    changed = from_form(app, given)
    assert changed == {"learning-rate": 1.0, "evaluate": False, "note": "5"}
    assert type(changed["learning-rate"]) is float
    assert differences(app, {**app.config, **changed, "gone": 1}) == changed
    with pytest.raises(InvalidFields) as told:
        from_form(app, {"size": "2.5", "evaluate": "perhaps", "unknown": 1, "note": "fine"})
    assert set(told.value.fields) == {"config.size", "config.evaluate", "config.unknown"}


def test_the_command_can_be_pasted(app):
    command = shown_command(app, "blossomtune", {"note": "it's here", "size": 3}, "/flower home")
    assert command.startswith("FLWR_HOME='/flower home' flwr run ")
    words = shlex.split(command)
    assert words[-2:] == ["--run-config", 'note="it\'s here" size=3']


def test_presets_are_kept_by_app_and_belong_to_who_made_them(database):
    presets = PresetService(database, AppCatalogue(APPS))
    limits = RunLimits(min_sites=2)
    saved = presets.save(" small  one ", "message_app", {"size": 3}, limits, ADA)
    presets.save("small one", "message_app", {"size": 4}, limits, ADA)
    assert [(p.name, p.config) for p in presets.list("message_app", EVE)] == [
        ("small one", {"size": 4})
    ]
    assert presets.list("numpy_app", EVE) == []
    with pytest.raises(NotAllowed):
        presets.save("small one", "message_app", {}, limits, EVE)
    with pytest.raises(NotAllowed):
        presets.delete(saved.id, EVE)
    with pytest.raises(InvalidFields):
        presets.save("", "message_app", {}, limits, ADA)
    with pytest.raises(InvalidFields):
        presets.save("bad", "message_app", {"size": "x"}, limits, ADA)
    presets.delete(saved.id, ADMIN)
    assert presets.list("message_app", ADA) == []
