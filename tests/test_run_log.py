"""Copying a run's log out of Flower's chunks: each line once, wherever chunks and crashes fall."""

from hypothesis import given, settings
from hypothesis import strategies as st

from blossomtune_gradio.flower.lines.round_log import RoundParser
from blossomtune_gradio.flower.link.facts import LogChunk
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.plain_text import plain
from blossomtune_gradio.services.runs.carrying.log import RunLog

TEXTS = st.lists(st.text("ab \n\r\x0b\x85\u2028", max_size=6), min_size=1, max_size=12)


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
    assert written == [plain(line) for line in wanted]


def test_of_a_progress_bar_only_the_last_state_is_kept_however_it_is_cut(tmp_path):
    store = LogStore(tmp_path)
    log = RunLog(store, "run-1")
    for number in range(101):
        log.add(LogChunk(f"\r{number}%|", number + 1.0))
        log.add(LogChunk("#" * number, number + 1.5))
    log.add(LogChunk("\nnext\n", 200.0))
    lines = [line.text for line in store.since({"run-1": 0}).lines]
    assert lines == ["100%|" + "#" * 100, "next"]


@given(cut=st.integers(0, 2999))
@settings(max_examples=20, deadline=None)
def test_a_bar_that_never_ends_takes_little_memory_and_loses_no_place(tmp_path_factory, cut):
    store = LogStore(tmp_path_factory.mktemp("log"))
    flower = Flower([f"\r{number:99}" for number in range(3000)] + ["\nafter\n"])
    log = RunLog(store, "run-1")
    for upto in (cut, 3000):
        for chunk in flower.after(log.read_to, upto):
            log.add(chunk)
            assert len(log._rest) <= 64 * 1024
    for chunk in flower.after(log.read_to, 3001):
        log.add(chunk)
    again = RunLog(store, "run-1")
    assert list(flower.after(again.read_to, 3001)) == []
    assert [line.text.strip() for line in store.since({"run-1": 0}).lines] == ["2999", "after"]


def test_lines_that_are_heard_again_are_as_flower_wrote_them(tmp_path):
    store = LogStore(tmp_path)
    written = ["INFO :      [ROUND 1/2]", "[ROUND 7/9]", '@@BLOSSOM {"loss": 1}', "ERROR:root:odd"]
    RunLog(store, "run-1").add(LogChunk("\n".join(written) + "\n", 1.0))
    events = [RoundParser().feed(line) for line in written]
    assert [RoundParser().feed(line) for line in RunLog(store, "run-1").lines_so_far()] == events
    assert [bool(found) for found in events] == [True, False, True, False]
