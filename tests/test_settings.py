"""Environment -> Settings: types, defaults, and sentences that name the variable."""

from pathlib import Path

import pytest

import config
from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.settings import Settings


def test_every_kind_of_value_is_read():
    settings = config.load(
        {
            "BLOSSOMTUNE_DATA_DIR": "/srv/blossom",
            "BLOSSOMTUNE_PORT": "8080",
            "BLOSSOMTUNE_JOIN_TOKEN_HOURS": "1.5",
            "BLOSSOMTUNE_FLEET_PUBLIC_HOST": "fl.example.org",
            "PATH": "/bin",
        }
    )
    assert settings.data_dir == Path("/srv/blossom")
    assert (settings.port, settings.join_token_hours) == (8080, 1.5)
    assert settings.fleet_name == "fl.example.org"


def test_an_empty_variable_is_as_good_as_none():
    assert config.load({"BLOSSOMTUNE_PORT": ""}).port == Settings().port


def test_the_command_line_wins_where_it_says_something():
    given = {"BLOSSOMTUNE_PORT": "8080"}
    assert config.load(given, port=9090).port == 9090
    assert config.load(given, port=None).port == 8080


def test_folders_are_absolute_because_children_work_elsewhere():
    assert Settings(data_dir=Path("data")).data_dir == Path.cwd() / "data"
    assert Settings().flower_apps_dir.is_absolute()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "many"),
        ("PORT", "70000"),
        ("PARTITIONS", "0"),
        ("JOIN_TOKEN_HOURS", "soon"),
        ("HOST", "0.0.0.0"),
        ("HOST", "example.org"),
        ("NO_SUCH_OPTION", "1"),
        ("FLEET_PORT", "7860"),
        ("SITES_VIA", "proxy"),
        ("SITES_CA", "/no/such/file"),
        ("SITES_CA", __file__),
        ("PUBLIC_URL", "http://localhost/fl"),
        ("PUBLIC_URL", "https://[::1"),
        ("PUBLIC_URL", "https://localhost:99999"),
    ],
)
def test_a_value_that_cannot_be_used_is_told_with_its_variable(name, value):
    with pytest.raises(SettingsError, match=r"BLOSSOMTUNE_(PORT|" + name + ")"):
        config.load({f"BLOSSOMTUNE_{name}": value})


@pytest.mark.parametrize("url", ["", "http://localhost:7860"])
def test_sites_join_by_the_page_by_https_only(url):
    with pytest.raises(SettingsError, match="PUBLIC_URL must be https, as BLOSSOMTUNE_SITES_VIA"):
        config.load({"BLOSSOMTUNE_PUBLIC_URL": url, "BLOSSOMTUNE_SITES_VIA": "page"})


def test_a_path_before_ours_is_refused_and_the_reason_is_told():
    with pytest.raises(SettingsError, match=r"without a path .SuperNodes know host and port only"):
        config.load({"BLOSSOMTUNE_PUBLIC_URL": "https://localhost/fl"})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_loopback_in_every_spelling_is_taken(host):
    assert Settings(host=host).host == host
