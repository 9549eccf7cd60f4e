"""Apps are found and judged without being run, and their configuration keeps its types."""

import os
import re
import shutil
from pathlib import Path

import pytest
from flwr.common.config import parse_config_args
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from blossomtune_gradio.errors import InvalidInput, NotFound, SettingsError
from blossomtune_gradio.flower.apps.catalogue import (
    AppCatalogue,
    ConfigField,
    check,
    discover,
    parse_config_text,
    read_app,
    typed_value,
    validated_config,
    write_run_config,
)
from blossomtune_gradio.flower.apps.facts import config_type
from tests.flower_stack import APPS
from tests.hostile_apps import CLIENT, PROJECT

SERVER = 'from flwr.serverapp import ServerApp\nprint("run!")\napp = ServerApp()\n'


@pytest.fixture
def app_dir(tmp_path):
    """A good small app, for a test to spoil."""
    path = tmp_path / "apps" / "small_app"
    (path / "small").mkdir(parents=True)
    (path / "pyproject.toml").write_text(PROJECT)
    (path / "small" / "__init__.py").write_text("")
    (path / "small" / "server_app.py").write_text(SERVER)
    (path / "small" / "client_app.py").write_text(CLIENT)
    return path


def spoil(app_dir, old, new):
    file = app_dir / "pyproject.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def only_app(app_dir):
    [app] = discover(app_dir.parent)
    return app


def sentences(app, level):
    return " ".join(finding.sentence for finding in app.findings if finding.level == level)


def test_a_good_app_is_runnable_and_was_not_run(app_dir, capsys):
    app = only_app(app_dir)
    assert (app.name, app.title, app.version) == ("small_app", "small-app", "1.0.0")
    assert app.runnable
    assert app.findings == ()
    assert app.config == {"rounds": 3}
    assert len(app.bundle_hash) == 64
    assert capsys.readouterr().out == ""


def test_the_three_fixture_apps_are_told_apart():
    apps = {app.name: app for app in discover(APPS)}
    assert {name: app.api for name, app in apps.items()} == {
        "fault_app": "message",
        "legacy_app": "legacy",
        "message_app": "message",
        "numpy_app": "message",
    }
    assert all(app.runnable and app.frameworks == ("NumPy",) for app in apps.values())
    assert apps["message_app"].findings == apps["numpy_app"].findings == ()
    assert "Flower's older API" in sentences(apps["legacy_app"], "note")


NAME, PUBLISHER = 'name = "small-app"', 'publisher = "tests"'
REFERENCE = '"small.server_app:app"'
SPOILED = [
    (NAME, 'name = "small_app"', r"small_app.*no underscore"),
    (NAME, f'name = "{"a" * 33}"', r"at most 32"),
    (NAME, 'name = ["a"]', r"\['a'\].*Flower wants"),
    (NAME, "", r"name under \[project\] is missing"),
    ('version = "1.0.0"', "version = 1", r"Add a version"),
    (PUBLISHER, "", r"Add a publisher"),
    (f"serverapp = {REFERENCE}", "", r"Add serverapp .*my_app\.server_app:app"),
    (REFERENCE, '"small.server_app"', r"must be \"module:attribute\""),
    (REFERENCE, '"small..x:app"', r"must be \"module:attribute\""),
    (REFERENCE, '"../small:app"', r"must be \"module:attribute\""),
    (REFERENCE, '"small.server:app"', r"no small/server\.py"),
    (REFERENCE, '"small.server_app:main"', r"server_app\.py does not assign main"),
    (REFERENCE, '"os:path"', r"no os\.py in the app"),
    ("rounds = 3", "rounds = [1, 2]", r"rounds is a list"),
    ("rounds = 3", "rounds = 2026-01-01", r"rounds is a date"),
    ("rounds = 3", f"rounds = {2**63}", r"rounds is too large"),
    ("[project]", "[project", r"not valid TOML"),
    ("[project]", "project = 3\n[odd]", r"name under \[project\] is missing"),
    ("[tool.flwr.app]", "[tool.other]", r"Add a publisher"),
    (PUBLISHER, f"{PUBLISHER}\nfab-format-version = 9", r"Flower cannot bundle.*version"),
    (PUBLISHER, f'{PUBLISHER}\nfab-include = "x"', r"Flower cannot bundle.*fab-include"),
]


@pytest.mark.parametrize(("old", "new", "said"), SPOILED)
def test_a_fault_in_the_project_is_a_sentence_and_the_app_stays_listed(app_dir, old, new, said):
    spoil(app_dir, old, new)
    app = only_app(app_dir)
    assert not app.runnable
    assert re.search(said, sentences(app, "error")), app.findings


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("app = (", r"line 1: '\(' was never closed"),
        ("app: object = 3", "does not assign app"),
        ("def app(): pass", "does not assign app"),
        ("x = '\0'", "server_app.py"),
        ("#" * 2_000_000, "larger than 1 MiB"),
        ("x = " + "(" * 5000, "server_app.py"),
    ],
)
def test_a_fault_in_the_code_is_a_sentence(app_dir, code, said):
    (app_dir / "small" / "server_app.py").write_text(code)
    app = only_app(app_dir)
    assert not app.runnable
    assert re.search(said, sentences(app, "error")), app.findings


def test_a_folder_without_a_project_is_listed(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "README.md").write_text("")
    [app] = discover(tmp_path)
    assert not app.runnable
    assert "There is no pyproject.toml" in sentences(app, "error")


def test_a_project_file_that_is_huge_or_unreadable_is_a_sentence(app_dir):
    (app_dir / "pyproject.toml").write_text("#" * 300_000)
    assert "larger than 256 KiB" in sentences(only_app(app_dir), "error")
    (app_dir / "pyproject.toml").write_bytes(b"\xff\xfe")
    assert "not valid TOML" in sentences(only_app(app_dir), "error")
    (app_dir / "pyproject.toml").unlink()
    (app_dir / "pyproject.toml").mkdir()
    assert "cannot be read" in sentences(only_app(app_dir), "error")


def test_links_out_of_the_folder_are_refused(app_dir, tmp_path):
    secret = tmp_path / "secret.py"
    secret.write_text("password = 1")
    (app_dir / "small" / "link.py").symlink_to(secret)
    assert "small/link.py is a link that leads out" in sentences(only_app(app_dir), "error")

    (app_dir / "small" / "link.py").unlink()
    (app_dir / "small" / "link.py").symlink_to(app_dir / "small" / "server_app.py")
    app = only_app(app_dir)
    assert app.runnable
    assert "Flower leaves it out" in sentences(app, "warning")


def test_an_app_that_is_itself_a_link_is_refused(app_dir, tmp_path):
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "linked").symlink_to(app_dir)
    [app] = discover(tmp_path / "others")
    assert "leads out of the folder of Flower apps" in sentences(app, "error")


def test_a_bundle_over_ten_megabytes_is_refused(app_dir):
    (app_dir / "small" / "data.json").write_bytes(os.urandom(11 * 1024 * 1024))
    assert "exceeds maximum" in sentences(only_app(app_dir), "error")
    (app_dir / "small" / "data.json").write_bytes(b"0" * (51 * 1024 * 1024))
    assert "limit is 10 MB" in sentences(only_app(app_dir), "error")
    (app_dir / "small" / "data.json").rename(app_dir / "small" / "data.bin")
    assert only_app(app_dir).runnable  # it does not travel


def test_nested_settings_get_flowers_dotted_names(app_dir):
    spoil(app_dir, "rounds = 3", "rounds = 3\n[tool.flwr.app.config.train]\nlr = 0.1")
    app = only_app(app_dir)
    assert app.config == {"rounds": 3, "train.lr": 0.1}
    file = write_run_config(app_dir.parent / "c.toml", validated_config(app, {"train.lr": 1}))
    assert parse_config_args([str(file)]) == {"rounds": 3, "train.lr": 1.0}


def test_a_catalogue_sees_new_changed_and_removed_apps(app_dir):
    catalogue = AppCatalogue(app_dir.parent)
    [first] = catalogue.apps()
    assert catalogue.apps()[0] is first  # not read again
    shutil.copytree(app_dir, app_dir.parent / "copy")
    assert [app.name for app in catalogue.apps()] == ["copy", "small_app"]
    (app_dir / "small" / "server_app.py").write_text("app = (")
    assert not catalogue.get("small_app").runnable
    shutil.rmtree(app_dir)
    assert [app.name for app in catalogue.apps()] == ["copy"]
    with pytest.raises(NotFound, match=r"no Flower app 'small_app'\. These are there: copy\."):
        catalogue.get("small_app")


def test_a_folder_that_is_not_there_is_named_with_its_variable(tmp_path):
    with pytest.raises(SettingsError, match="BLOSSOMTUNE_FLOWER_APPS_DIR"):
        discover(tmp_path / "missing")


@pytest.fixture(scope="module")
def message_app():
    return read_app(APPS / "message_app", APPS)


def test_overrides_keep_the_types_of_the_app(message_app):
    config = validated_config(message_app, {"learning-rate": 1, "mode": "nan"})
    assert config == {**message_app.config, "learning-rate": 1.0, "mode": "nan"}
    assert type(config["learning-rate"]) is float


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"rounds": 3}, r"no setting 'rounds'\. It has: num-server-rounds, "),
        ({"num-server-rounds": 2.0}, r"num-server-rounds must be a whole number, got 2\.0\."),
        ({"num-server-rounds": True}, r"must be a whole number, got True"),
        ({"num-server-rounds": "2"}, r"must be a whole number, got '2'"),
        ({"learning-rate": "x"}, r"must be a number"),
        ({"learning-rate": True}, r"must be a number"),
        ({"mode": 3}, r"must be a text"),
        ({"mode": None}, r"must be a text"),
        ({"mode": ["ok"]}, r"must be a text"),
        ({"size": 2**63}, r"size is too large"),
        ({"learning-rate": 10**400}, r"learning-rate is too large"),
        ({"x" * 500: 1}, r"has no setting 'xxx.*…"),
    ],
)
def test_unknown_keys_and_wrong_types_are_refused(message_app, overrides, said):
    with pytest.raises(InvalidInput, match=said):
        validated_config(message_app, overrides)


def test_lines_of_key_and_value_are_read():
    text = '# how long\nrounds = 3\n\nlr=1e-3 # slow\nname = "a = b # c"\non = true\na.b = -1\n'
    assert parse_config_text(text) == {
        "rounds": 3,
        "lr": 0.001,
        "name": "a = b # c",
        "on": True,
        "a.b": -1,
    }
    assert parse_config_text("") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\nmode = raise", r'Line 2: raise is not a value.*mode = "text"'),
        ("a = 1\n\nrounds", r"Line 3: rounds is not of the form key = value"),
        ("a =", r"Line 1: a has no value"),
        ("= 3", r"Line 1: = 3 is not of the form"),
        ("a = 1\na = 2", r"Line 2: a was given before"),
        ("a = [1]", r"Line 1: a is a list"),
        ("a = 2026-01-01", r"Line 1: a is a date"),
        ('a = """', r"Line 1"),
        (f"a = {2**64}", r"Line 1: a is too large"),
        ("a = " + "[" * 5000, r"Line 1"),
        ("x" * 70_000, r"longer than 64 KiB"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(text, said):
    with pytest.raises(InvalidInput, match=said) as refusal:
        parse_config_text(text)
    assert len(str(refusal.value)) < 250


VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8")),
)
KEYS = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=st.dictionaries(KEYS, VALUES, max_size=4))
def test_flower_reads_the_written_configuration_back_unchanged(tmp_path, config):
    file = write_run_config(tmp_path / "run.toml", config)
    read = parse_config_args([str(file)])  # what `flwr run` itself calls
    assert read == config
    assert [type(read[key]) for key in config] == [type(value) for value in config.values()]


@given(st.text())
def test_no_text_in_the_box_does_more_than_name_a_line(text):
    try:
        assert isinstance(parse_config_text(text), dict)
    except InvalidInput as error:
        sentence = str(error)
    else:
        return
    assert sentence.startswith("Line ")


def test_a_form_gets_each_setting_with_type_default_and_remark(app_dir):
    spoil(
        app_dir,
        "rounds = 3",
        "# How long\n# to train\nrounds = 3 # at least 1\n\nlr = 0.1\nname = 'a # b' # a # text\n"
        "[tool.flwr.app.config.inner]\non = true # a switch",
    )
    fields = only_app(app_dir).fields
    assert [(one.key, one.type, one.default, one.comment) for one in fields] == [
        ("rounds", "int", 3, "How long to train at least 1"),
        ("lr", "float", 0.1, ""),
        ("name", "str", "a # b", "a # text"),
        ("inner.on", "bool", True, "a switch"),
    ]


@pytest.mark.parametrize(
    ("default", "given", "typed"),
    [
        (3, "7", 7),
        (3, 7, 7),
        (0.1, "1", 1.0),
        (0.1, " 1e-3 ", 0.001),
        (0.1, "inf", float("inf")),
        (True, "false", False),
        (True, False, False),
        ("a", "7", "7"),
        ("a", ' "b" ', ' "b" '),
    ],
)
def test_what_is_filled_in_gets_the_type_of_the_setting(default, given, typed):
    value = typed_value(ConfigField("key", config_type(default), default), given)
    assert (type(value), value) == (type(typed), typed)


@pytest.mark.parametrize(
    ("default", "given"),
    [
        *[(3, wrong) for wrong in ("", "x", "1.5", 1.5, True, None, "1_000", "٣", [1], 2**63)],
        *[(0.5, wrong) for wrong in ("", "x", "1_0.0", True, None)],
        *[(True, wrong) for wrong in ("", "yes", "True", 1)],
        *[("a", wrong) for wrong in (1, None, True)],
    ],
)
def test_what_does_not_fit_the_setting_is_refused_with_its_name(default, given):
    with pytest.raises(InvalidInput, match="key "):
        typed_value(ConfigField("key", config_type(default), default), given)


def test_the_commit_an_app_was_checked_out_from_is_shown_without_running_git(app_dir):
    commit, other = "0123456789abcdef" * 2 + "01234567", "f" * 40
    git = app_dir.parent / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    catalogue = AppCatalogue(app_dir.parent)
    assert catalogue.get("small_app").revision == ""
    (git / "refs" / "heads" / "main").write_text(f"{commit}\n")
    assert catalogue.get("small_app").revision == commit
    (git / "refs" / "heads" / "main").unlink()
    (git / "packed-refs").write_text(f"# pack-refs\n{other} refs/heads/main\n")
    assert catalogue.get("small_app").revision == other
    (git / "HEAD").write_text(commit)
    assert catalogue.get("small_app").revision == commit

    tree = git / "worktrees" / "second"  # `git worktree add` makes such a file
    tree.mkdir(parents=True)
    (tree / "HEAD").write_text("ref: refs/heads/main\n")
    (tree / "commondir").write_text("../..\n")
    (app_dir / ".git").write_text(f"gitdir: {tree}\n")
    assert catalogue.get("small_app").revision == other


def test_what_sites_do_not_get_is_a_note(app_dir):
    (app_dir / "small" / "weights.bin").write_bytes(b"0")
    assert "Sites do not get small/weights.bin" in sentences(only_app(app_dir), "note")


def test_an_app_anywhere_can_be_checked(app_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(app_dir)
    assert check(Path()).name == "small_app"
    assert check(app_dir / "small" / "..").runnable
    (tmp_path / "link").symlink_to(app_dir)
    assert check(tmp_path / "link").runnable  # whoever names it means what it leads to
    with pytest.raises(NotFound, match="is not a folder"):
        check(app_dir / "pyproject.toml")


def test_a_name_in_all_is_found_as_flower_finds_it(app_dir):
    (app_dir / "small" / "server_app.py").write_text(
        'from small.other import app\n__all__ = ["app"]\n'
    )
    assert only_app(app_dir).runnable
