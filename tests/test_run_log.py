"""Copying a run's log out of Flower's chunks: each line once, wherever chunks and crashes fall."""

from hypothesis import given, settings
from hypothesis import strategies as st

from blossomtune_gradio.flower.facts import LogChunk
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.runs.log import RunLog

TEXTS = st.lists(st.text("ab \n", max_size=6), min_size=1, max_size=12)


class Flower:
    """Keeps what a ServerApp wrote, as the SuperLink does: pieces with a time each."""

    def __init__(self, pieces: list[str]) -> None:
        self.pieces = [LogChunk(text, float(n + 1)) for n, text in enumerate(pieces)]

    def after(self, moment: float, upto: int) -> list[LogChunk]:
        """The first chunk holds everything there is; Flower sends nothing for nothing."""
        new = [p for p in self.pieces[:upto] if p.timestamp > moment]
        text = "".join(p.text for p in new)
        return [LogChunk(text, new[-1].timestamp)] if text else []


@given(TEXTS, st.lists(st.booleans(), min_size=12, max_size=12))
@settings(max_examples=300, deadline=None)
def test_every_line_once_whatever_dies_in_between(tmp_path_factory, pieces, crashes):
    store = LogStore(tmp_path_factory.mktemp("log"))
    flower = Flower(pieces)
    log = RunLog(store, "run-1")
    for upto, crash in zip(range(1, len(pieces) + 1), crashes, strict=False):
        for chunk in flower.after(log.read_to, upto):
            log.add(chunk)
        if crash:
            log = RunLog(store, "run-1")
    for chunk in flower.after(log.read_to, len(pieces)):
        log.add(chunk)
    log.finish()
    written = [line.text for line in store.since({"run-1": 0}, ["run-1"], limit=1000).lines]
    wanted = "".join(pieces).split("\n")
    if wanted[-1] == "":
        wanted.pop()
    assert written == [line.rstrip() for line in wanted]
