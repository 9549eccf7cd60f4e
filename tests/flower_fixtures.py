"""One real federation for all tests of a session that ask for it.

A test file that does says `pytest_plugins = ["tests.flower_fixtures"]`.
"""

from collections.abc import Iterator

import pytest

from tests.flower_stack import FlowerStack


@pytest.fixture(scope="session")
def flower_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowerStack]:
    """One SuperLink with its SuperExec."""
    with FlowerStack(tmp_path_factory.mktemp("flower")) as stack:
        yield stack


@pytest.fixture(scope="session")
def two_sites(flower_stack: FlowerStack) -> FlowerStack:
    """The same with two SuperNodes online, partitions 0 and 1. Tests must not end these."""
    flower_stack.add_node(0)
    flower_stack.add_node(1)
    return flower_stack
