"""Logs on real files: every line once and in order, whatever is cut, dropped, full or fast."""

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blossomtune_gradio.errors import InvalidInput, NotFound
from blossomtune_gradio.logs import FileFollower, Line, LogStore
from blossomtune_gradio.logs.files import backwards, forwards
from blossomtune_gradio.logs.lines import read_level
from blossomtune_gradio.logs.source import KEPT_LINES, Source
from blossomtune_gradio.plain_text import CUT, MAX_BYTES, plain
from tests.support import wait_for


@pytest.fixture
def store(tmp_path: Path) -> LogStore:
    return LogStore(tmp_path / "logs")


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def read_all(store: LogStore, limit: int = 500, **cursor: int) -> list[Line]:
    """Page after page, as a reader does."""
    lines: list[Line] = []
    more = True
    while more:
        page = store.since(cursor, limit=limit)
        lines, cursor, more = lines + page.lines, page.cursor, page.more
    return lines


# -- one line -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "level", "text"),
    [
        ("\x1b[92mINFO \x1b[0m:      Starting Flower", "INFO", "Starting Flower"),
        ("INFO :      \t└──> Aggregated", "INFO", "    └──> Aggregated"),
        ("INFO :      ", "INFO", ""),
        ("WARNING :   No nodes", "WARNING", "No nodes"),
        ("ERROR :     Exit Code: 305", "ERROR", "Exit Code: 305"),
        ("DEBUG :     polled", "DEBUG", "polled"),
        ("INFO:     127.0.0.1:5000 - GET", "INFO", "127.0.0.1:5000 - GET"),
        ("Traceback (most recent call last):", "ERROR", "Traceback (most recent call last):"),
        ("httpx.ConnectError: refused", "ERROR", "httpx.ConnectError: refused"),
        ("  File 'x.py', line 3", "INFO", "  File 'x.py', line 3"),
        ("INFORMATION is free", "INFO", "INFORMATION is free"),
        ("10%\r50%\r100% done\r", "INFO", "100% done"),
        ("a\x00b\x07c\u2028d\u202ee", "INFO", "a b c d e"),
        ("\x1b]0;title\x07shown \x1b[31mred\x1b[0m", "INFO", "shown red"),
    ],
)
def test_a_line_is_made_harmless_and_its_level_is_read(store, raw, level, text):
    store.append("superlink", [raw])
    (line,) = store.since({}).lines
    assert (line.level, line.text) == (level, text)


def test_a_long_line_is_cut_and_says_so_without_breaking_a_character(store):
    store.append("a", ["é" * 100_000, "x" * MAX_BYTES])
    long, exact = texts(store.since({}).lines)
    assert long.endswith("é" + CUT)
    assert MAX_BYTES - 2 <= len(long.encode()) <= MAX_BYTES
    assert exact == "x" * MAX_BYTES


def test_a_line_break_inside_a_text_cannot_forge_a_record(store):
    store.append("a", ["real\n2026-11-22T00:00:00.000Z\tERROR\t\tforged"])
    (line,) = store.since({}).lines
    assert line.text.startswith("real 2026")


@given(st.text())
def test_no_text_leaves_a_control_character(text):
    assert all(ch.isprintable() or ch.isspace() or ord(ch) > 0xA0 for ch in plain(text))
    assert "\n" not in plain(text)
    assert "\t" not in plain(text)
    assert "\x1b" not in plain(text)


# -- the store ----------------------------------------------------------------------------------


def test_names_are_checked_and_unknown_logs_are_not_found(store, tmp_path):
    for name in ("../etc", "A", "", "a/b", "x" * 65):
        with pytest.raises(InvalidInput):
            store.append(name, ["x"])
    with pytest.raises(NotFound):
        store.page_before("nobody", 10, 10)
    with pytest.raises(NotFound):
        store.search("nobody", "x", 10)
    assert store.sources() == []
    assert store.since({"nobody": 5}, sources=["nobody"]).lines == []
    assert store.path("run-1.server") == tmp_path / "logs" / "run-1.server.log"


def test_a_reader_gets_the_tail_then_only_what_is_new(store):
    store.append("a", [f"line {i}" for i in range(1000)])
    page = store.since({}, tail=10)
    assert texts(page.lines) == [f"line {i}" for i in range(990, 1000)]
    assert not page.more
    assert store.since(page.cursor).lines == []
    store.append("a", ["new"])
    assert texts(store.since(page.cursor).lines) == ["new"]


def test_a_source_without_lines_for_a_reader_keeps_its_place(store):
    store.append("a", ["1"])
    page = store.since({}, tail=0)
    assert page.lines == []
    store.append("a", ["2"])
    assert texts(store.since(page.cursor).lines) == ["2"]


def test_sources_are_merged_by_time_and_pages_lose_nothing(store):
    for i in range(30):
        store.append("ab"[i % 2], [f"{i}.0", f"{i}.1"])
        time.sleep(0.002)
    wanted = [f"{i}.{k}" for i in range(30) for k in (0, 1)]
    assert texts(read_all(store, limit=7)) == wanted
    assert texts(read_all(store)) == wanted
    only = store.since({}, sources={"b"})
    assert texts(only.lines) == [t for t in wanted if int(t.split(".")[0]) % 2]
    assert list(only.cursor) == ["b"]


def test_two_readers_with_different_cursors_do_not_disturb_each_other(store):
    store.append("a", [str(i) for i in range(KEPT_LINES + 500)])
    old = store.since({"a": 0}, limit=100)  # from the file
    new = store.since({}, tail=5)  # from memory
    store.append("a", ["last"])
    assert texts(store.since(new.cursor).lines) == ["last"]
    rest = read_all(store, **old.cursor)
    assert texts(old.lines + rest) == [str(i) for i in range(KEPT_LINES + 500)] + ["last"]


def test_cursors_positions_and_lines_are_good_after_a_restart(store, tmp_path):
    store.append("a", [str(i) for i in range(10)], "at 10")
    page = store.since({}, limit=4)
    again = LogStore(tmp_path / "logs")
    assert again.sources() == ["a"]
    assert again.position("a") == "at 10"
    assert again.position("b") == ""
    assert texts(again.since(page.cursor).lines) == ["4", "5", "6", "7", "8", "9"]
    again.append("a", ["10"])
    assert texts(again.since({}).lines) == [str(i) for i in range(11)]
    assert again.position("a") == ""


def test_a_cursor_beyond_the_end_starts_from_the_tail(store):
    store.append("a", ["1", "2", "3"])
    assert texts(store.since({"a": 10_000}, tail=2).lines) == ["2", "3"]
    assert texts(store.since({"a": -1}, tail=2).lines) == ["2", "3"]


@given(st.integers(min_value=1, max_value=200))
@settings(max_examples=40, deadline=None)
def test_a_torn_last_record_is_cut_off_and_nothing_else(torn):
    with tempfile.TemporaryDirectory() as folder:
        store = LogStore(Path(folder))
        store.append("a", [f"line {i}" for i in range(5)], ["1", "2", "3", "4", "5"])
        path = store.path("a")
        whole = path.read_bytes()
        path.write_bytes(whole[: max(0, len(whole) - torn)])
        kept = path.read_bytes().count(b"\n")
        again = LogStore(Path(folder))
        assert texts(again.since({}).lines) == [f"line {i}" for i in range(kept)]
        assert again.position("a") == (str(kept) if kept else "")
        again.append("a", ["next"])
        wanted = [f"line {i}" for i in range(kept)] + ["next"]
        assert texts(again.since({}).lines) == wanted
        assert texts(LogStore(Path(folder)).since({}).lines) == wanted


def test_a_damaged_record_is_shown_as_text(store, tmp_path):
    (tmp_path / "logs" / "a.log").write_bytes(b"\x00\x00no record\n" + b"\xff\xfe\n")
    (first, second) = LogStore(tmp_path / "logs").since({}).lines
    assert first.text == "  no record"
    assert second.text == "\ufffd\ufffd"


def test_scrolling_back_reaches_the_first_line_and_stops(store):
    store.append("a", [str(i) for i in range(5000)])
    shown = store.since({}, tail=10).lines
    while found := store.page_before("a", shown[0].offset, 700):
        assert len(found) <= 700
        shown = found + shown
    assert texts(shown) == [str(i) for i in range(5000)]
    assert len({line.offset for line in shown}) == 5000


def test_a_search_ignores_case_and_gives_the_newest_matches_in_order(store):
    store.append("a", [f"Straße {i}" if i % 100 == 0 else f"road {i}" for i in range(3000)])
    assert texts(store.search("a", "STRASSE", 2)) == ["Straße 2800", "Straße 2900"]
    assert store.search("a", "nowhere", 5) == []
    assert store.search("a", "INFO", 5) == []  # the text is searched, not the columns


@given(
    st.lists(st.integers(min_value=0, max_value=200_000), max_size=8),
    st.integers(min_value=0, max_value=30),
)
@settings(max_examples=40, deadline=None)
def test_a_file_reads_the_same_from_both_ends(lengths, torn):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        content = b"".join(b"%d" % i * n + b"\n" for i, n in enumerate(lengths)) + b"z" * torn
        path.write_bytes(content)
        ahead = list(forwards(path, 0, len(content)))
        assert list(backwards(path, len(content))) == ahead[::-1]
        assert [record for record, _ in ahead] == content.split(b"\n")[:-1]
        for _, end in ahead:
            assert list(forwards(path, end, len(content))) == [f for f in ahead if f[1] > end]


def test_memory_holds_a_bounded_number_of_lines_and_forgotten_ones_come_from_the_file(tmp_path):
    source = Source("a", tmp_path / "a.log")
    source.after(None, 1, 0)  # somebody reads, so lines are kept
    wide = "w" * 8000
    source.append([f"{wide}{i}" for i in range(400)], ["1"] * 400)
    assert len(source._lines) < 130
    assert len(source.after(0, 1000, 0)[1]) == 400
    source.cool()
    assert len(source._lines) == 0
    assert len(source.after(None, 1000, 300)[1]) == 300


def test_a_removed_folder_is_made_again_and_the_loss_is_told(store, tmp_path):
    store.append("run", ["one", "two"])
    folder = store.path("run").parent
    shutil.rmtree(folder)
    store.append("run", ["three"])
    texts = [line.text for line in store.since({"run": 0}, ["run"]).lines]
    assert texts[0].endswith("has been removed from the disk.")
    assert texts[1:] == ["three"]
    assert [line.text for line in LogStore(folder).since({}, ["run"]).lines] == texts


def test_a_full_disk_raises_and_leaves_no_half_batch(store):
    """The limit on the size of a file is the smallest real full disk."""
    store.append("a", ["before"])
    size = store.path("a").stat().st_size
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, old[1]))
    try:
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is checked below
            store.append("a", ["x" * 60] * 4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    assert caught.value.errno == errno.EFBIG
    assert store.path("a").stat().st_size == size
    store.append("a", ["after"])
    assert texts(store.since({}).lines) == ["before", "after"]


# -- the follower -------------------------------------------------------------------------------


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "child.out"


@pytest.fixture
def following(store: LogStore, raw: Path) -> Iterator[FileFollower]:
    follower = FileFollower(store, "child", raw, every=0.05)
    follower.start()
    yield follower
    follower.stop()


def add(raw: Path, data: bytes) -> None:
    with raw.open("ab") as file:
        file.write(data)


def shown(data: bytes) -> list[str]:
    """What a log must show of a child's output, told the simple way."""
    lines = data.split(b"\n")
    complete = lines[:-1] if lines[-1] == b"" else lines
    return [read_level(plain(line.decode("utf-8", "replace")))[1] for line in complete]


@pytest.mark.concurrent
def test_lines_arrive_while_the_child_writes_and_half_a_line_waits(following, store, raw):
    add(raw, b"one\ntw")
    wait_for(lambda: texts(store.since({}).lines) == ["one"])
    add(raw, b"o\n")
    wait_for(lambda: texts(store.since({}).lines) == ["one", "two"])
    add(raw, b"last words")
    following.stop()
    assert texts(store.since({}).lines) == ["one", "two", "last words"]


def test_half_a_line_of_a_living_child_is_left_to_the_next_follower(store, raw):
    add(raw, b"one\nhal")
    first = FileFollower(store, "child", raw)
    first.copy()
    assert texts(store.since({}).lines) == ["one"]
    add(raw, b"f\n")
    FileFollower(store, "child", raw).copy()
    assert texts(store.since({}).lines) == ["one", "half"]


def test_a_cut_or_replaced_file_is_read_from_its_beginning(following, store, raw):
    add(raw, b"one\ntwo\nhalf")
    wait_for(lambda: len(store.since({}).lines) == 2)
    raw.write_bytes(b"cut\n")
    wait_for(lambda: texts(store.since({}).lines)[2:] == ["cut"])
    other = raw.with_name("other")
    other.write_bytes(b"replaced by a longer one\n")
    other.replace(raw)
    wait_for(lambda: texts(store.since({}).lines)[3:] == ["replaced by a longer one"])


@given(
    data=st.binary(max_size=300).map(lambda b: b.replace(b"x", b"\n"))
    | st.text(max_size=200).map(lambda t: t.replace("a", "\n").encode("utf-8", "replace")),
    cuts=st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=8),
    limit=st.integers(1, 5),
)
@settings(max_examples=150, deadline=None)
def test_any_output_in_any_pieces_gives_each_line_once_whoever_is_dropped(data, cuts, limit):
    with tempfile.TemporaryDirectory() as folder:
        raw, logs = Path(folder) / "raw", Path(folder) / "logs"
        store = LogStore(logs)
        follower = FileFollower(store, "child", raw)
        read: list[Line] = []
        cursor = {"child": 0}
        begin = 0
        for end, dropped in sorted(cuts):
            add(raw, data[begin:end])
            begin = max(begin, end)
            follower.copy()
            page = store.since(cursor, limit=limit)
            read, cursor = read + page.lines, page.cursor | {"child": page.cursor.get("child", 0)}
            if dropped:  # as after kill -9: nothing is handed over but the files
                store = LogStore(logs)
                follower = FileFollower(store, "child", raw)
        add(raw, data[begin:])
        follower.stop()
        read += read_all(store, limit=limit, **cursor)
        assert texts(read) == shown(data)
        assert [line.offset for line in read] == sorted({line.offset for line in read})


def test_a_line_that_never_ends_takes_little_memory_and_is_shown_cut(store, raw):
    follower = FileFollower(store, "child", raw)
    for _ in range(40):
        add(raw, b"y" * 100_000)
        follower.copy()
        assert len(follower._half) <= 64 * 1024
    add(raw, b"\rdone\nnext\n")
    follower.copy()
    assert texts(store.since({}).lines) == ["done", "next"]


def test_trouble_is_told_in_a_sentence_and_nothing_is_lost_when_it_ends(following, store, raw):
    add(raw, b"one\n")
    wait_for(lambda: len(store.since({}).lines) == 1)
    moved = store.path("child").with_name("moved")
    store.path("child").rename(moved)
    store.path("child").mkdir()  # a file that cannot be written, even by root
    add(raw, b"two\nthree\n")
    wait_for(lambda: "cannot be copied into its log (Is a directory)" in following.error)
    store.path("child").rmdir()
    moved.rename(store.path("child"))
    wait_for(lambda: not following.error)
    assert texts(store.since({}).lines) == ["one", "two", "three"]


@pytest.mark.concurrent
def test_ten_thousand_lines_in_a_second_all_arrive(following, store, raw):
    code = "for i in range(10_000): print('burst', i)"
    with raw.open("ab") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    began = time.monotonic()
    wait_for(lambda: store.position("child") == str(raw.stat().st_size), seconds=10)
    assert time.monotonic() - began < 5
    assert texts(read_all(store, child=0)) == [f"burst {i}" for i in range(10_000)]


@pytest.mark.slow
@pytest.mark.concurrent
def test_kill_nine_in_the_middle_of_copying_loses_and_doubles_no_line(tmp_path, raw):
    """A follower in a process of its own is killed again and again while a child writes."""
    code = f"""
        import time
        from pathlib import Path
        from blossomtune_gradio.logs import FileFollower, LogStore
        store = LogStore(Path({str(tmp_path)!r}) / "logs")
        print("up", flush=True)
        follower = FileFollower(store, "child", Path({str(raw)!r}), every=0.001)
        follower.start()
        time.sleep(600)
    """
    tick = "import time\nfor i in range(60_000): print('tick', i); i % 500 or time.sleep(0.02)"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with raw.open("ab") as out:
        child = subprocess.Popen([sys.executable, "-c", tick], stdout=out)
    kills = 0
    while child.poll() is None or kills < 3:
        ours = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, env=env
        )
        assert ours.stdout is not None
        assert ours.stdout.readline() == b"up\n"
        time.sleep(0.05 + 0.07 * (kills % 4))  # at different places
        ours.kill()
        ours.wait(10)
        ours.stdout.close()
        kills += 1
    store = LogStore(tmp_path / "logs")
    FileFollower(store, "child", raw).stop()
    assert texts(read_all(store, child=0)) == [f"tick {i}" for i in range(60_000)]


def test_two_hundred_pollers_cost_little(store):
    store.append("a", [f"line {i}" for i in range(3000)])
    cursors = [store.since({}).cursor for _ in range(200)]
    began = time.process_time()
    for _ in range(5):  # seconds of life: ten lines each, each reader asks once
        store.append("a", [f"INFO :      new {i}" for i in range(10)])
        for number, cursor in enumerate(cursors):
            page = store.since(cursor)
            assert len(page.lines) == 10
            cursors[number] = page.cursor
    assert (time.process_time() - began) / 5 < 0.25  # of one core, on a busy machine


def test_noise_is_left_out_and_everything_else_kept_in_order(store, tmp_path):
    raw = tmp_path / "raw.out"
    raw.write_text("a\nnoise 1\nb\nnoise 2\nc\n")
    FileFollower(store, "child", raw, is_noise=lambda line: line.startswith("noise")).copy()
    assert texts(read_all(store, child=0)) == ["a", "b", "c"]
