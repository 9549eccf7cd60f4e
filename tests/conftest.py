"""Fixtures many tests share: a real database in a folder of the test, a real browser."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import Browser
from xdist.remote import Producer

from blossomtune_gradio.services.options import Options
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from tests import durations
from tests.browser import chromium
from tests.groups import GroupScheduling, group_of

# The same examples on every machine; the soak draws new ones (`--hypothesis-profile=default`).
hypothesis_settings.register_profile("seeded", derandomize=True, deadline=None)
hypothesis_settings.load_profile("seeded")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", partitions=3, port=0, fleet_port=0)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    settings.data_dir.mkdir()
    made = Database(settings.database)
    yield made
    made.close()


@pytest.fixture
def options(database: Database, settings: Settings) -> Options:
    return Options(database, settings)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


# -- which tests, how often, in which order -------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--repeat", type=int, default=1, help="run each test so many times")
    parser.addoption("--write-durations", action="store_true", help=f"rewrite {durations.TABLE}")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--write-durations") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(durations.Recorder())


@pytest.fixture
def repetition() -> int:
    return 0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if (times := metafunc.config.getoption("--repeat")) > 1:
        metafunc.fixturenames.append("repetition")
        metafunc.parametrize("repetition", range(times))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest groups first; quick ones fill what time is left on each worker."""
    group = {item.path: group_of(item.path) for item in items}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    known, seconds = durations.known(), Counter[str]()
    for path, name in group.items():
        seconds[name] += known.get(path.stem, durations.UNKNOWN if path in slow else 0)
    items.sort(key=lambda item: (-seconds[group[item.path]], group[item.path]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling | None:
    return GroupScheduling(config, log) if config.getvalue("dist") == "loadscope" else None
