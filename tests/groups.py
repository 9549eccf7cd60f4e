"""Which tests one worker runs: those of a file, and of all files that share something live.

Limit: a file says that it shares by naming the module of the fixtures. xdist's own groups do not do
here, since they are told by the name of a test, which pytest 9.2 does not let anybody change.
"""

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parent.parent
_SHARED = re.compile(r"tests\.(live_fixtures|flower_fixtures|page_fixtures)")


@cache
def group_of(file: Path) -> str:
    """The name of the group of this file."""
    shared = _SHARED.search(file.read_text("utf-8"))
    return shared[1] if shared else file.stem


class GroupScheduling(LoadScopeScheduling):
    """Gives a group to a worker as a whole, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(ROOT / nodeid.partition("::")[0])
