"""New app: a working app from the template, which belongs to whoever made it."""

import pytest

from blossomtune_gradio.errors import InvalidInput, NotAllowed, NotPossible
from blossomtune_gradio.flower.apps.catalogue import check
from blossomtune_gradio.flower.apps.template import new_app
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.services.apps import AppService
from blossomtune_gradio.store.models import AuditEntry
from tests.people import ADMIN, person

RESEARCHER = User(provider="local", sub="rosa", name="rosa", role=Role.RESEARCHER)


def test_a_new_app_passes_its_own_checks_without_a_finding(tmp_path):
    app = check(new_app(tmp_path, "Heart-Study", 'Hearts "and" *minds*'))
    assert app.findings == ()
    assert app.runnable
    assert (app.name, app.title) == ("Heart-Study", 'Hearts "and" *minds*')
    assert app.components["serverapp"] == "heart_study.server_app:app"
    assert (app.api, app.frameworks) == ("message", ("NumPy",))
    assert 'Hearts "and" *minds*' in app.readme.replace("&quot;", '"')
    assert "<table>" in app.readme
    assert {field.key for field in app.fields if field.comment} == {
        "num-server-rounds",
        "min-sites",
        "local-epochs",
        "learning-rate",
        "examples",
    }


def test_a_new_app_says_nothing_of_ours(tmp_path):
    files = [file for file in new_app(tmp_path, "mine").rglob("*") if file.is_file()]
    assert len(files) == 6
    for file in files:
        assert "blossom" not in file.read_text().lower()
        assert "$" not in file.read_text()


@pytest.mark.parametrize(
    "name",
    ["", "1st", "a_b", "a b", "../x", "a/b", "-rf", "a" * 33, "ä", "a\x1b[0m", ".a"],
)
def test_a_name_that_flower_would_refuse_is_refused(tmp_path, name):
    with pytest.raises(InvalidInput, match="cannot be the name of an app"):
        new_app(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["json", "numpy", "flwr", "class", "Test"])
def test_a_name_that_would_hide_a_package_is_refused(tmp_path, name):
    with pytest.raises(InvalidInput, match=f"Choose another, such as my-{name}"):
        new_app(tmp_path, name)


@pytest.mark.parametrize("title", ["x" * 61, "a\nb", "\u202eabc"])
def test_a_title_is_one_short_line(tmp_path, title):
    with pytest.raises(InvalidInput, match="title must be one line"):
        new_app(tmp_path, "mine", title)


def test_what_is_there_is_never_overwritten(tmp_path):
    new_app(tmp_path, "mine")
    before = (tmp_path / "mine" / "README.md").read_text()
    with pytest.raises(NotPossible, match="There is an app mine already"):
        new_app(tmp_path, "mine", "other")
    assert (tmp_path / "mine" / "README.md").read_text() == before
    (tmp_path / "other").symlink_to("nowhere")
    with pytest.raises(NotPossible, match="already"):
        new_app(tmp_path, "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "other"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotPossible, match="cannot be written"):
        new_app(tmp_path / "file", "mine")


def test_researchers_make_apps_and_it_is_written_down(tmp_path, database):
    service = AppService(tmp_path / "apps", database)
    app = service.create("mine", RESEARCHER, "Mine")
    assert app.runnable
    assert [one.name for one in service.list(ADMIN)] == ["mine"]
    with database.read() as session:
        [entry] = session.query(AuditEntry).all()
    assert (entry.action, entry.target, entry.actor_name) == ("app.new", "app:mine", "rosa")


def test_participants_neither_see_nor_make_apps(tmp_path, database):
    service = AppService(tmp_path / "apps", database)
    with pytest.raises(NotAllowed):
        service.create("mine", person("ada"))
    with pytest.raises(NotAllowed):
        service.list(person("ada"))
    assert not (tmp_path / "apps").exists()
