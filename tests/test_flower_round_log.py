"""Lines of real runs become rounds and points; other lines become nothing."""

import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blossomtune_gradio.flower.lines.points import LONGEST_NAME, MOST_ROUND
from blossomtune_gradio.flower.lines.round_log import (
    Finished,
    NotUnderstood,
    Point,
    Replies,
    RoundParser,
    RoundStarted,
    Sampled,
    Waiting,
)

RECORDED = Path(__file__).parent / "recorded"


def read(*lines):
    parser = RoundParser()
    return [event for line in lines for event in parser.feed(line)]


def said(*lines):
    """The same, of what Flower's logger says."""
    return read(*(f"INFO :      {line}" for line in lines))


def recorded(name):
    return (RECORDED / f"flower_{name}.txt").read_text().splitlines()


def shown(events):
    """round, name → value, as a chart would have it."""
    return {(event.name, event.round): event.value for event in events if isinstance(event, Point)}


def test_a_recorded_run_of_the_message_api_is_read_in_order():
    events = read(*recorded("message_app"))
    second = events.index(RoundStarted(2, 2))
    assert events[second:] == [
        RoundStarted(2, 2),
        Sampled("train", 2, 2, 2),
        Replies("train", 2, 2, 0),
        Point(2, "train/loss", 0.0625),
        Sampled("evaluate", 2, 2, 2),
        Replies("evaluate", 2, 2, 0),
        Point(2, "evaluate/loss", 0.0625),
        Point(2, "server/accuracy", 0.75),
        Point(2, "server/loss", 0.0625),
        Finished(),
    ]
    assert events[:2] == [Point(0, "server/accuracy", 0.0), Point(0, "server/loss", 1.0)]


def test_a_recorded_run_of_the_older_api_tells_the_same_kinds_of_points():
    events = read(*recorded("legacy_app"))
    assert RoundStarted(1, 2) in events
    assert Replies("train", 2, 2, 0) in events
    assert shown(events) == {
        ("server/loss", 0): 1.0,
        ("server/loss", 1): 0.25,
        ("server/loss", 2): 0.0625,
        ("server/accuracy", 0): 0.0,
        ("server/accuracy", 1): 0.5,
        ("server/accuracy", 2): 0.75,
        ("train/accuracy", 1): 0.5,
        ("train/accuracy", 2): 0.75,
        ("evaluate/loss", 1): 0.25,
        ("evaluate/loss", 2): 0.0625,
        ("evaluate/accuracy", 1): 0.5,
        ("evaluate/accuracy", 2): 0.75,
    }


def test_a_recorded_run_without_a_strategy_tells_what_it_prints():
    events = read(*recorded("numpy_app"))
    assert events[:3] == [
        Point(1, "site/loss", 0.25, "0"),
        Point(1, "site/loss", 0.25, "1"),
        Point(1, "server/loss", 0.25),
    ]


@pytest.mark.parametrize("name", ["message_app", "legacy_app", "numpy_app"])
def test_colours_change_nothing(name):
    plain = [re.sub(r"\x1b\[\d+m", "", line) for line in recorded(name)]
    assert "\x1b" in "".join(recorded(name))
    assert read(*plain) == read(*recorded(name))


def test_a_log_that_is_read_twice_gives_the_same_points():
    lines = recorded("message_app")
    assert shown(read(*lines, *lines)) == shown(read(*lines))


def test_waiting_for_sites_is_told():
    line = "\x1b[92mINFO \x1b[0m:      Waiting for nodes to connect: 2 connected"
    assert read(f"{line} (minimum required: 3).") == [Waiting(2, 3)]


def test_failed_replies_are_counted():
    assert read("INFO :      aggregate_fit: received 1 results and 2 failures") == [
        Replies("train", 0, 1, 2)
    ]


def test_a_broken_model_is_seen_as_nan_and_infinity():
    events = said(
        "[ROUND 3/4]",
        "aggregate_train: Received 2 results and 0 failures",
        "\t└──> Aggregated MetricRecord: {'loss': nan, 'most': inf, 'least': -inf}",
    )[2:]
    assert [event.name for event in events] == ["train/loss", "train/most", "train/least"]
    assert math.isnan(events[0].value)
    assert [event.value for event in events[1:]] == [math.inf, -math.inf]


def test_lists_are_numbered_and_what_is_no_number_is_left_out():
    record = "{'f1': [0.5, 1], 'note': 'x', 'ok': True, 'far': [[1]], 'l': np.float64(-2.5)}"
    assert said(f"└──> MetricRecord: {record}") == [
        Point(0, "server/f1[0]", 0.5),
        Point(0, "server/f1[1]", 1.0),
        Point(0, "server/l", -2.5),
    ]


def test_a_list_of_many_values_is_a_metric_of_many_parts():
    found = said(f"└──> MetricRecord: {{'per-class': {[n / 100 for n in range(100)]}}}")
    assert [event.name for event in found] == [f"server/per-class[{n}]" for n in range(100)]
    assert isinstance(said(f"└──> MetricRecord: {{'w': {[0.5] * 1001}}}")[0], NotUnderstood)


def test_no_result_is_no_point():
    assert said("Initial global evaluation results: None", "└──> MetricRecord: None") == []


def test_a_history_over_many_lines_is_read():
    events = said(
        "\tHistory (metrics, distributed, evaluate):",
        "\t{'accuracy': [(1, 0.5),",
        "\t              (2, nan)],",
        "\t 'recall': [(1, 0.25)]}",
        "\tHistory (metrics, centralized):",
        "\t{'accuracy': [(0, 0.125)]}",
    )
    assert [(event.name, event.round) for event in events] == [
        ("evaluate/accuracy", 1),
        ("evaluate/accuracy", 2),
        ("evaluate/recall", 1),
        ("server/accuracy", 0),
    ]


def test_a_history_that_is_cut_off_does_not_swallow_the_next_run():
    parser = RoundParser()
    for line in ("History (metrics, distributed, fit):", "{'a': [(1,", ""):
        assert parser.feed(f"INFO :      {line}") == []
    assert len([event for line in recorded("numpy_app") for event in parser.feed(line)]) == 6


@pytest.mark.parametrize(
    ("line", "points"),
    [
        ('{"round": 2, "site": "3", "loss": 0.5}', [Point(2, "site/loss", 0.5, "3")]),
        ('{"round": 2, "site": 3, "loss": 1}', [Point(2, "site/loss", 1.0, "3")]),
        ('{"round": 2, "loss": NaN, "note": "x"}', [Point(2, "server/loss", math.nan)]),
        ('{"phase": "train", "loss": 0.5}', [Point(7, "train/loss", 0.5)]),
        ('{"phase": "odd", "loss": 0.5}', [Point(7, "server/loss", 0.5)]),
        (
            '{"site": 17283746152637481920, "loss": 1}',
            [Point(7, "site/loss", 1.0, "17283746152637481920")],
        ),
        ('{"loss": 1' + "0" * 400 + "}", [Point(7, "server/loss", math.inf)]),
        (
            '{"\\ud800": 1, "a\\nb": 2}',
            [Point(7, r"server/\ud800", 1.0), Point(7, r"server/a\nb", 2.0)],
        ),
    ],
)
def test_an_apps_own_line_gives_its_points(line, points):
    parser = RoundParser()
    parser.feed("INFO :      [ROUND 7/9]")
    assert repr(parser.feed(f"@@BLOSSOM {line}")) == repr(points)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"round": -1, "loss": 0.5}', "a round is a whole number from 0"),
        ('{"round": 99999999999999999999999, "x": 1}', "a round is a whole number from 0"),
        ('{"round": true, "loss": 0.5}', "its round is no whole number"),
        ('{"round": "2", "loss": 0.5}', "its round is no whole number"),
        ('{"site": [2], "loss": 0.5}', "its site is no name or number"),
        ('{"round": 2, "loss": 0.5', "no JSON object"),
        ('{"round": 1' + "0" * 5000 + "}", "no JSON object"),
        ("[1, 2]", "no JSON object"),
        ("loss=0.5", "no JSON object"),
        ("[" * 90_000, "no JSON object"),
        ('{"x": [' + "1, " * 1000 + "1]}", "at most 1000 values"),
        ('{"pad": "' + "x" * 100_000 + '"}', "at most 100000 characters"),
    ],
)
def test_an_apps_line_that_is_not_understood_is_told_with_the_reason(line, why):
    (found,) = read(f"@@BLOSSOM {line}")
    assert isinstance(found, NotUnderstood)
    assert why in found.why


def test_names_are_kept_in_full_and_two_that_are_too_long_stay_two():
    names = [f"scanner-vendor-a/{'x' * 120}/{last}" for last in ("dice", "iou", "hausdorff")]
    long = ["y" * 5000 + last for last in ("dice", "iou", "\ud800")]
    record = dict.fromkeys(names + long, 0.5)
    found = [event.name for event in read(f"@@BLOSSOM {json.dumps(record)}")]
    assert found[:3] == [f"server/{name}" for name in names]
    assert len(set(found)) == 6
    assert max(map(len, found)) == LONGEST_NAME


@pytest.mark.parametrize(
    "line",
    [
        "[ROUND 77/3]",
        " INFO :      [ROUND 77/3]",
        "INFO:[ROUND 77/3]",
        "a site says: INFO :      [ROUND 77/3]",
        ' @@BLOSSOM {"round": 77, "loss": 1}',
        'Note: @@BLOSSOM {"round": 77, "loss": 1}',
        'INFO :      @@BLOSSOM {"round": 77, "loss": 1}',
        "Received error in reply from node 4: INFO :      [ROUND 77/3]",
    ],
)
def test_what_only_looks_like_a_line_of_flower_or_of_an_app_is_none(line):
    assert read(line) == []


def test_a_metric_cannot_run_code():
    assert said("└──> MetricRecord: {'a': __import__('os').getpid(), 'b': np.load('x')}") == []


KNOWN = [line for name in ("message_app", "legacy_app", "numpy_app") for line in recorded(name)]
PIECES = st.sampled_from(
    [
        *KNOWN,
        "INFO :      └──> MetricRecord: {",
        "INFO :      fit progress: (",
        "INFO :      History (metrics, centralized):",
        "INFO :      {'a':",
    ]
)
LINES = st.one_of(
    st.text(),
    st.tuples(PIECES, st.text()).map("".join),
    st.tuples(PIECES, st.integers(0, 200)).map(lambda cut: cut[0][: cut[1]]),
    st.text().map("INFO :      └──> MetricRecord: {}".format),
    st.text().map("@@BLOSSOM {}".format),
    st.dictionaries(
        st.sampled_from(["round", "site", "phase", "\ud800", "a\x00b"]) | st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        )
        | st.sampled_from([10**23, -(10**400), 10**4000]),
        max_size=4,
    ).map(lambda said: "@@BLOSSOM " + json.dumps(said)),
)


@given(st.lists(LINES, max_size=12))
def test_no_text_makes_it_raise(lines):
    for event in read(*lines):
        if isinstance(event, Point):
            assert event.round >= 0
            assert isinstance(event.value, float)
            assert event.round <= MOST_ROUND
            assert len(event.name) <= LONGEST_NAME


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=20),
        st.floats() | st.integers(-(2**63), 2**63 - 1),
        max_size=5,
    )
)
def test_every_metric_record_flower_can_print_is_read_back(record):
    events = said(f"\t└──> Aggregated MetricRecord: {record}")
    assert repr([event.value for event in events]) == repr([float(v) for v in record.values()])


def test_what_is_too_long_for_a_metric_is_skipped():
    assert said("└──> MetricRecord: {'a': " + "[" * 90_000) == []
    endless = ["History (metrics, distributed, fit):", "{", *["'a': [(1, 0.5)],"] * 5000, "}"]
    assert said(*endless) == []
    assert len(said(*endless[:100], "}")) == 1
