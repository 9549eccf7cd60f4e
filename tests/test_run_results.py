"""What runs leave behind: each in a folder of its own, listed, downloaded, deleted; hostile names.

Two real runs of one app, which writes its model beside itself as real apps do, and tells what it
sees of the server's environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from blossomtune_gradio.app_variables import app_variables, unset
from blossomtune_gradio.errors import NotAllowed, NotFound, SettingsError
from blossomtune_gradio.flower.link.commands import child_environment
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.services.runs.carrying.results import ResultService
from blossomtune_gradio.services.runs.folder import RunFolders
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.models import Run
from tests.live import LiveFederation
from tests.people import ADMIN

PROJECT = """
[project]
name = "result-app"
version = "1.0.0"
dependencies = ["flwr>=1.41"]

[tool.flwr.app]
publisher = "tests"

[tool.flwr.app.components]
serverapp = "result_app.server_app:app"
clientapp = "result_app.client_app:app"

[tool.flwr.app.config]
seed = 0
"""
SERVER = """
import os
from pathlib import Path
from flwr.serverapp import ServerApp

app = ServerApp()


@app.main()
def main(grid, context):
    Path("final_model.npz").write_text(f"model {context.run_config['seed']}")
    Path("plots").mkdir()
    Path("plots/Verlust ü #1.csv").write_text("1")
    os.symlink("/etc/passwd", "link")
    for name in ("HTTPS_PROXY", "CUDA_VISIBLE_DEVICES", "NO_PROXY", "MLFLOW_TOKEN"):
        print("SEES", name, os.environ.get(name))
"""
ENVIRONMENT = {
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "intranet.example",
    "CUDA_VISIBLE_DEVICES": "1",
    "MLFLOW_TOKEN": "not chosen",
    "BLOSSOMTUNE_SMTP_URL": "smtp://user:secret@mail.example",
    "OAUTH_CLIENT_SECRET": "secret",
    "HF_HOME": "/srv/hub",
}
CHOSEN = frozenset(("HTTPS_PROXY", "NO_PROXY", "CUDA_*"))
EVE = User(provider="hf", sub="9", name="Eve")  # a participant


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFederation]:
    folder = tmp_path_factory.mktemp("results")
    seen = app_variables(CHOSEN, ENVIRONMENT)
    with LiveFederation(folder, seen, app_env=CHOSEN) as made:
        package = folder / "apps" / "result_app" / "result_app"
        package.mkdir(parents=True)
        (package.parent / "pyproject.toml").write_text(PROJECT)
        (package / "__init__.py").touch()
        (package / "server_app.py").write_text(SERVER)
        (package / "client_app.py").write_text(
            "from flwr.clientapp import ClientApp\napp = ClientApp()\n"
        )
        made.app.federation.start(by=ADMIN)
        yield made


@pytest.mark.slow
def test_two_runs_of_an_app_keep_their_models_and_see_what_was_chosen(federation):
    app, url = federation.app, federation.server.url
    runs = [federation.ended(federation.start("result_app", seed=seed)) for seed in (1, 2)]
    for run in runs:
        listed = app.results.of(run.id, ADMIN)
        names = [file.name for file in listed.files]
        assert names == ["final_model.npz", "plots/Verlust ü #1.csv"], federation.log(
            f"run-{run.id}"
        )
        assert listed.left_out == 1  # the link
    for seed, run in enumerate(runs, 1):
        at = f"{url}/download/run/{run.id}/files"
        model = httpx.get(f"{at}/final_model.npz", trust_env=False)
        assert (model.status_code, model.text) == (200, f"model {seed}")
        assert model.headers["content-disposition"] == 'attachment; filename="final_model.npz"'
        assert model.headers["content-security-policy"].startswith("sandbox")
        plot = httpx.get(f"{at}/plots/Verlust%20%C3%BC%20%231.csv", trust_env=False)
        assert plot.text == "1"
        assert "filename*=UTF-8''Verlust%20%C3%BC%20%231.csv" in plot.headers["content-disposition"]
        for name in ("link", "..%2f..%2fsuperlink.db", "plots", "plots/%2e%2e/final_model.npz"):
            assert httpx.get(f"{at}/{name}", trust_env=False).status_code == 404
    said = "\n".join(federation.log(f"run-{runs[0].id}"))
    assert "SEES HTTPS_PROXY http://127.0.0.1:9" in said
    assert "SEES CUDA_VISIBLE_DEVICES 1" in said
    assert "SEES NO_PROXY 127.0.0.1,localhost,intranet.example" in said
    assert "SEES MLFLOW_TOKEN None" in said
    app.history.delete(runs[0].id, ADMIN)
    work = federation.folder / "server" / "flower" / "work"
    assert [path.name for path in work.iterdir()] == [str(runs[1].flower_run_id)]


@pytest.fixture
def results(database, tmp_path) -> ResultService:
    run = Run(name="r", app="a", config={}, partitions=1, created_by="x", flower_run_id="77")
    with database.write() as session:
        session.add(run)
    (tmp_path / "work" / "77").mkdir(parents=True)
    work = tmp_path / "work"
    folders = RunFolders(tmp_path / "runs", lambda run: work / str(run.flower_run_id))
    return ResultService(database, folders)


@pytest.fixture
def folder(results, tmp_path) -> Path:
    return tmp_path / "work" / "77"


def content(results: ResultService, name: str) -> bytes:
    return b"".join(results.open(1, name, ADMIN)[1])


def test_only_plain_files_with_a_name_that_can_be_shown_are_listed(results, folder, tmp_path):
    for name in ("session.key", "audit.key"):
        (tmp_path / name).write_text("secret")
    (folder / "good model.npz").write_text("model")
    (folder / "link").symlink_to(tmp_path / "session.key")
    (folder / "folder-link").symlink_to(tmp_path)
    os.link(tmp_path / "session.key", folder / "second-name")
    os.mkfifo(folder / "pipe")
    odd = [b"caf\xe9.csv", b"line\nbreak", "bidi\u202etxt".encode(), b"\x1b[31m", b"a\\b"]
    for name in odd:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("x")
    found = results.of(1, ADMIN)
    assert [(file.name, file.size) for file in found.files] == [("good model.npz", 5)]
    assert found.left_out == 4 + len(odd)
    assert content(results, "good model.npz") == b"model"
    out = ("folder-link/audit.key", "../../audit.key")
    for name in ("link", "second-name", "pipe", *out):
        with pytest.raises(NotFound):
            results.open(1, name, ADMIN)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "/etc/passwd", "a//b", "a/", "nul\0", "x" * 5000, "\ud800", "a/.."]
)
def test_names_that_lead_elsewhere_are_no_files(results, folder, name):
    (folder / "a").mkdir()
    (folder / "a" / "b").write_text("x")
    with pytest.raises(NotFound):
        results.open(1, name, ADMIN)


def test_too_many_and_too_deep_are_counted(results, folder):
    for number in range(1005):
        (folder / f"{number:04}").touch()
    deep = folder.joinpath(*"abcdefghij")
    deep.mkdir(parents=True)
    (deep / "model").touch()
    found = results.of(1, ADMIN)
    assert (len(found.files), found.left_out) == (1000, 6)


def test_a_run_without_a_folder_and_strangers(results, folder):
    folder.rmdir()
    assert results.of(1, ADMIN).files == []
    with pytest.raises(NotFound):
        results.of(2, ADMIN)
    for way in (lambda: results.of(1, EVE), lambda: results.open(1, "a", EVE)):
        with pytest.raises(NotAllowed):
            way()


def test_a_file_that_shrinks_while_it_is_sent_ends(results, folder):
    (folder / "model").write_bytes(b"a" * 1_000_000)
    size, pieces = results.open(1, "model", ADMIN)
    (folder / "model").write_bytes(b"")
    assert (size, b"".join(pieces)) == (1_000_000, b"")


# -- which variables apps see ------------------------------------------------------------------


def test_apps_see_the_chosen_variables_and_the_way_to_the_hub_and_no_secret_of_ours():
    assert app_variables(frozenset(("CUDA_*", "HTTPS_PROXY")), ENVIRONMENT) == {
        "CUDA_VISIBLE_DEVICES": "1",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HF_HOME": "/srv/hub",
    }
    wide = app_variables(frozenset(("OA*", "BL*", "HT*")), ENVIRONMENT)
    assert set(wide) == {"HTTPS_PROXY", "HF_HOME"}
    assert unset(frozenset(("HTTPS_PROXY", "WANDB_*")), ENVIRONMENT) == ["WANDB_*"]


@pytest.mark.parametrize(
    "name",
    [
        *("*", "A*", "*_PROXY", "A B", "A=B", "1A", "Ä", "WANDB_*_KEY"),
        *("BLOSSOMTUNE_SMTP_URL", "BLOSSOMTUNE_*", "blossomtune_token", "OAUTH_CLIENT_SECRET"),
        *("PATH", "HOME", "TMPDIR", "FLWR_HOME", "PYTHONPATH", "PYTHONHOME"),
    ],
)
def test_a_name_that_apps_never_see_is_refused_with_a_sentence(name):
    with pytest.raises(SettingsError, match="BLOSSOMTUNE_APP_ENV has"):
        Settings(app_env=frozenset((name,)))


def test_what_every_child_program_is_given_cannot_be_replaced(tmp_path):
    for name in set(child_environment(tmp_path)) - {"NO_PROXY"}:
        with pytest.raises(SettingsError):
            Settings(app_env=frozenset((name,)))
    given = child_environment(tmp_path, {"no_proxy": "a.example", "NO_PROXY": "b.example"})
    assert given["NO_PROXY"] == "127.0.0.1,localhost,a.example,b.example"
    assert "no_proxy" not in given


def test_a_researcher_may_look(results, folder):
    (folder / "model").write_text("x")
    ada = User(provider="hf", sub="1", name="Ada", role=Role.RESEARCHER)
    assert [file.name for file in results.of(1, ada).files] == ["model"]
