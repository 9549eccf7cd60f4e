"""One served application with many people in every state, for all tests of a worker of its pages.

A test file that does says `pytest_plugins = ["tests.page_fixtures"]`. No SuperLink runs, nobody has
a token. A file that needs more adds it, and counts on nothing that another may have added.
"""

from collections.abc import Iterator

import pytest

from tests.crowd import crowd
from tests.live import LiveFederation


@pytest.fixture(scope="session")
def seeded_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFederation]:
    with LiveFederation(tmp_path_factory.mktemp("pages"), partitions=200) as made:
        crowd(made.app.database, 150)
        yield made
