"""What `make demo` says without a terminal: a line for what happens, not for each second."""

from io import StringIO

from rich.console import Console

from blossomtune_gradio.demo.view import DemoView


def lines(*doings: str) -> list[str]:
    out = StringIO()
    view = DemoView(Console(file=out, width=80))
    for doing in doings:
        view.doing(doing)
    return [line.split("] ")[1] for line in out.getvalue().splitlines()]


def test_what_lasts_is_said_once_and_what_changes_is_said():
    waiting = "Round 1: {} of 2 sites have answered. Not yet: Alder (asked {} ago)."
    assert lines(
        waiting.format(0, "15 s"),
        waiting.format(0, "16 s"),
        waiting.format(0, "2 min"),
        waiting.format(1, "3 min"),
        "Round 2 of 3",
        "Round 3 of 3",
    ) == [
        f"{waiting.format(0, '15 s').rstrip('.')} …",
        f"{waiting.format(1, '3 min').rstrip('.')} …",
        "Round 2 of 3 …",
        "Round 3 of 3 …",
    ]
