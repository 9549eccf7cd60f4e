"""What the demonstration shows in the terminal: one calm view, or plain lines where none fits."""

from __future__ import annotations

import re
import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

_SPAN = re.compile(r"\b\d+ (s|min)\b")  # all that changes while the same thing goes on
_SAID_AGAIN = 60.0  # seconds between two plain lines of which only the spans differ


class DemoView:
    """Steps that are done, the one that is going on, and a table of rounds."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._began = time.monotonic()
        self._done: list[tuple[float, str, str]] = []
        self._doing = ""
        self._said = ("", 0.0)  # the last plain line of what goes on, without spans, and when
        self._rounds: list[tuple[int, float | None, float | None]] = []
        self._live = Live(console=self._console, refresh_per_second=8, transient=False)

    @property
    def seconds(self) -> float:
        """Seconds since the view was made."""
        return time.monotonic() - self._began

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._doing = ""
        self._refresh()
        if self._console.is_terminal:
            self._live.stop()

    def doing(self, what: str) -> None:
        """Say what is going on now."""
        if what == self._doing:
            return
        self._doing = what
        self._refresh(f"{what.rstrip('.')} …" if self._is_news(what) else "")

    def done(self, what: str, detail: str = "") -> None:
        """A step is finished."""
        self._done.append((self.seconds, what, detail))
        self._doing = ""
        self._refresh(f"{what}: {detail}" if detail else what)

    def round(self, number: int, accuracy: float | None, loss: float | None) -> None:
        """A round was evaluated."""
        self._rounds.append((number, accuracy, loss))
        self._refresh(f"round {number}: accuracy {_figure(accuracy)}, loss {_figure(loss)}")

    def say(self, sentence: str) -> None:
        """A last word below everything."""
        self._console.print(sentence, highlight=False, soft_wrap=True)

    def _is_news(self, what: str) -> bool:
        """Whether a plain line is worth it: not for each second that something lasts."""
        plain, (said, at) = _SPAN.sub("", what), self._said
        if plain == said and self.seconds < at + _SAID_AGAIN:
            return False
        self._said = (plain, self.seconds)
        return True

    def _refresh(self, line: str = "") -> None:
        if self._console.is_terminal:
            self._live.update(self._drawn())
        elif line:
            self._console.print(f"[{self.seconds:6.1f} s] {line}", markup=False, soft_wrap=True)

    def _drawn(self) -> RenderableType:
        parts: list[RenderableType] = []
        for seconds, what, detail in self._done:
            line = Text.assemble(("  ✓ ", "green"), f"{what:<12}", (detail, "bold"))
            line.append(f"  {seconds:.1f} s", "dim")
            parts.append(line)
        if self._doing:
            parts.append(Spinner("dots", Text(f" {self._doing}"), style="magenta"))
        if self._rounds:
            parts += [Text(""), self._table()]
        return Group(*parts)

    def _table(self) -> Table:
        table = Table("round", "test accuracy", "test loss", box=None, pad_edge=True)
        for number, accuracy, loss in self._rounds:
            table.add_row(str(number), _figure(accuracy), _figure(loss))
        return table


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"  # noqa: RUF001
