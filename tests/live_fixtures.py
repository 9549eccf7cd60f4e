"""One whole BlossomTune with two sites for all tests of a worker that end nothing and nobody.

A test file that does says `pytest_plugins = ["tests.live_fixtures"]`. What it may count on: North
(partition 0) and South (partition 1) are online, nothing runs, no run is kept. What it must leave:
the same sites; its runs, presets and apps may stay.
"""

from collections.abc import Iterator

import pytest

from tests.live import LiveFederation
from tests.people import ADMIN


@pytest.fixture(scope="session")
def shared_federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFederation]:
    with LiveFederation(tmp_path_factory.mktemp("shared")) as made:
        made.app.federation.start(by=ADMIN)
        made.add_sites("North", "South")
        yield made


@pytest.fixture(scope="module")
def federation(shared_federation: LiveFederation) -> Iterator[LiveFederation]:
    """As new for each file."""
    programs = shared_federation.programs()
    assert shared_federation.online() == {"North", "South"}
    yield shared_federation
    shared_federation.forget_runs()
    assert shared_federation.programs() == programs, "a test ended what all share"
    assert shared_federation.online() == {"North", "South"}
