"""Points of a run as charts, legend and table."""

from blossomtune_gradio.services.runs.metrics import Value
from blossomtune_gradio.ui.charts import chart, colours, numbers


def value(name: str, number: int, figure: float | None, site: str = "") -> Value:
    return Value(name=name, site=site, round=number, value=figure)


RUN = [
    value("evaluate/accuracy", 1, 0.6),
    value("evaluate/accuracy", 2, 0.7),
    value("server/accuracy", 1, 0.61),
    value("server/accuracy", 2, 0.71),
    value("server/loss", 1, 0.5),
    value("server/loss", 2, None),
    value("train/replies", 1, 2.0),
]


def test_a_chart_has_only_the_points_that_its_name_speaks_of() -> None:
    frame = chart(RUN, "accuracy")["value"]
    assert list(frame.columns) == ["round", "series", "accuracy"]
    assert sorted(set(frame["series"])) == ["server", "sites, evaluation"]
    assert len(frame) == 4


def test_rounds_are_drawn_in_the_order_of_their_numbers() -> None:
    values = [value("server/loss", number, 1 / (number + 1)) for number in (10, 2, 0, 1)]
    assert chart(values, "loss")["sort"] == ["0", "1", "2", "10"]


def test_a_single_round_is_a_word_like_all_others() -> None:
    drawn = chart(RUN, "loss")
    assert list(drawn["value"]["round"]) == ["1"]
    assert drawn["sort"] == ["1"]


def test_a_chart_without_points_stays_hidden_and_is_never_hidden_again() -> None:
    drawn = chart([], "accuracy")
    assert drawn["value"].empty
    assert "visible" not in drawn
    assert chart(RUN, "accuracy")["visible"] is True


def test_a_series_has_the_same_colour_in_every_chart() -> None:
    assert chart(RUN, "accuracy")["color_map"] == chart(RUN, "loss")["color_map"] == colours(RUN)
    assert next(iter(colours(RUN))) == "server"


def test_the_table_has_every_metric_and_says_what_is_not_a_number() -> None:
    table = numbers(RUN)
    assert table["columns"][1:] == [
        "evaluate/accuracy",
        "server/accuracy",
        "server/loss",
        "train/replies",
    ]
    assert table["rows"] == [
        ["1", "0.6", "0.61", "0.5", "2"],
        ["2", "0.7", "0.71", "not a number", ""],
    ]


def test_a_legend_with_a_hundred_sites_can_still_be_read() -> None:
    crowd = [value("site/loss", 1, 0.1, site=str(number)) for number in range(100)]
    assert len(colours(crowd)) == 6
    assert len(numbers(crowd)["columns"]) == 101


def test_beside_a_loss_nobody_draws_a_train_loss_but_alone_it_is_drawn() -> None:
    other = value("train/train-loss", 1, 0.9)
    assert list(colours([*RUN, other])) == list(colours(RUN))
    assert list(colours([other])) == ["sites, training: train-loss"]


def test_a_site_is_called_by_its_name() -> None:
    values = [value("site/loss", 1, 0.1, site="0"), value("site/loss", 1, 0.2, site="1")]
    assert list(colours(values, {"0": "North"})) == ["North", "site 1"]


def test_many_values_of_one_metric_are_no_forest_of_lines_and_one_column() -> None:
    parts = [value(f"server/accuracy[{n}]", 1, n / 100) for n in range(100)]
    few = [value(f"server/loss[{n}]", 1, n / 10) for n in range(3)]
    assert chart(parts, "accuracy")["value"].empty
    assert len(chart(few, "loss")["value"]) == 3
    table = numbers([*parts, *few])
    assert table["columns"] == [
        "round",
        "server/accuracy[…]",
        *(f"server/loss[{n}]" for n in range(3)),
    ]
    assert table["rows"] == [["1", "0 … 0.99", "0", "0.1", "0.2"]]
