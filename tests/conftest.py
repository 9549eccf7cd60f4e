"""Fixtures many tests share: a real database in a folder of the test, a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import Browser

from blossomtune_gradio.services.options import Options
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from tests.browser import chromium

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: the quick ones then fill what time is left on each worker."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
