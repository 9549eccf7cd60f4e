"""Round metrics, read from the lines Flower itself logs.

A researcher's app needs no code of ours: `RoundParser.feed` turns what the strategies of the
Message API and the older `flwr.server` print into events. An app that wants to say more prints
lines of its own:

    @@BLOSSOM {"round": 2, "site": "3", "loss": 0.41}

What sites failed with is not read here but from Flower's records (`messages`): who said it decides,
not what it looks like. So Flower's lines count with the prefix of its logger, which nothing else
can begin a line with (`server_process`), and an app's own only where the mark begins them.

A point is named after who measured it: `train/…` and `evaluate/…` are averages over the sites,
`server/…` was measured by the ServerApp, `site/…` by one site. Pure; it opens no file, and no text
makes it raise. Surprises: Flower colours its log even into a file, so ANSI codes are removed
first, and the older API tells most of its metrics only in the summary, after `Finished`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from blossomtune_gradio.flower.lines.own_lines import MARK, own_points
from blossomtune_gradio.flower.lines.points import NotUnderstood, Point, Told, points_of
from blossomtune_gradio.python_text import python_value

__all__ = [
    "Event",
    "Finished",
    "NotUnderstood",
    "Point",
    "Replies",
    "RoundParser",
    "RoundStarted",
    "Sampled",
    "Waiting",
]


@dataclass(frozen=True)
class RoundStarted:
    """A round begins. `total` is None while it is not known."""

    round: int
    total: int | None


@dataclass(frozen=True)
class Sampled:
    """The strategy chose sites for a phase (train or evaluate)."""

    phase: str
    round: int
    chosen: int
    available: int


@dataclass(frozen=True)
class Replies:
    """The phase is over: so many sites answered well, so many failed."""

    phase: str
    round: int
    results: int
    failures: int


@dataclass(frozen=True)
class Waiting:
    """The run needs more sites than are connected."""

    connected: int
    required: int


@dataclass(frozen=True)
class Finished:
    """The last round is over. Points of the older API's summary still follow."""


Event: TypeAlias = RoundStarted | Sampled | Replies | Point | Waiting | Finished | NotUnderstood

_LONGEST = 100_000  # characters; longer lines carry no metrics
_PEEKED = 200  # characters of such a line that are looked at
_MOST_LINES = 5000  # of one printed dict
_PHASE = {"train": "train", "fit": "train", "evaluate": "evaluate"}
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_LEVEL = re.compile(r"(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) ?:(?: |$)")
_N = r"(\d{1,9})"  # so many digits that no count of sites or rounds is longer
_TOTAL = re.compile(rf"├── Number of rounds: {_N}|Starting Flower ServerApp.*\bnum_rounds={_N}\b.*")
_ROUND = re.compile(rf"\[ROUND {_N}(?:/{_N})?\]")
_SAMPLED = re.compile(
    rf"configure_(train|fit|evaluate): (?:strategy s|S)ampled {_N} (?:nodes|clients)"
    rf" \(out of {_N}\)"
)
_REPLIES = re.compile(
    rf"aggregate_(train|fit|evaluate): [Rr]eceived {_N} results and {_N} failures"
)
_WAITING = re.compile(rf"Waiting for nodes to connect: {_N} connected \(minimum required: {_N}\)\.")
_FINISHED = re.compile(r"Strategy execution finished in .*|Run finished \d+ round\(s\) in .*")
_AGGREGATED = re.compile(r"└──> Aggregated MetricRecord: (.*)")
_INITIAL = re.compile(r"Initial global evaluation results: (.*)")
_GLOBAL = re.compile(r"└──> MetricRecord: (.*)")
_OLD_INITIAL = re.compile(r"initial parameters \(loss, other metrics\): ([^,]*), (.*)")
_OLD_GLOBAL = re.compile(r"fit progress: (\(.*\))")
_HISTORY = re.compile(
    r"History \((loss|metrics), (distributed|centralized)(?:, (fit|evaluate))?\):"
)
_HISTORY_LOSS = re.compile(rf"round {_N}: (.*)")


@dataclass
class RoundParser:
    """Reads one run's log. It remembers the round and the phase it is in, so feed it in order."""

    round: int = 0
    total: int | None = None
    _phase: str = "train"
    _history: str = ""  # prefix of the summary block we are in
    _open: list[str] = field(default_factory=list)  # lines of a value that goes on

    def feed(self, line: str) -> list[Event]:
        """The events in one whole line, in the order they happened; mostly none."""
        if len(line) > _LONGEST:
            longer = NotUnderstood(f"a line has at most {_LONGEST} characters")
            return [longer] if _ANSI.sub("", line[:_PEEKED]).startswith(MARK) else []
        text = _ANSI.sub("", line)
        if text.startswith(MARK):
            return list(own_points(text.removeprefix(MARK), self.round))
        if not (prefix := _LEVEL.match(text)):
            return []  # whatever it looks like: Flower did not say it
        text = text[prefix.end() :].strip()
        return [*self._progress(text), *self._metrics(text), *self._summary(text)]

    def _progress(self, text: str) -> list[Event]:
        if found := _TOTAL.fullmatch(text):
            self.total, self.round = int(found[1] or found[2]), 0
        elif found := _ROUND.fullmatch(text):
            self.round = int(found[1])
            self.total = int(found[2]) if found[2] else self.total
            return [RoundStarted(self.round, self.total)]
        elif found := _SAMPLED.fullmatch(text):
            self._phase = _PHASE[found[1]]
            return [Sampled(self._phase, self.round, int(found[2]), int(found[3]))]
        elif found := _REPLIES.fullmatch(text):
            self._phase = _PHASE[found[1]]
            return [Replies(self._phase, self.round, int(found[2]), int(found[3]))]
        elif found := _WAITING.fullmatch(text):
            return [Waiting(int(found[1]), int(found[2]))]
        elif _FINISHED.fullmatch(text):
            return [Finished()]
        return []

    def _metrics(self, text: str) -> Iterable[Told]:
        if found := _AGGREGATED.fullmatch(text):
            return points_of(self._phase, self.round, python_value(found[1]))
        if found := _INITIAL.fullmatch(text):
            return points_of("server", 0, python_value(found[1]))
        if found := _GLOBAL.fullmatch(text):
            return points_of("server", self.round, python_value(found[1]))
        if found := _OLD_INITIAL.fullmatch(text):
            return _with_loss(0, python_value(found[1]), python_value(found[2]))
        if found := _OLD_GLOBAL.fullmatch(text):
            match python_value(found[1]):
                case (int(number), loss, metrics, _) if number >= 0:
                    return _with_loss(number, loss, metrics)
        return []

    def _summary(self, text: str) -> Iterable[Told]:
        """`History (…):` and the lines below it, as the older API ends its log."""
        if found := _HISTORY.fullmatch(text):
            kind, where, phase = found.groups()
            side = "server" if where == "centralized" else _PHASE[phase or "evaluate"]
            self._history, self._open = (f"{side}", [])
            self._history += ":loss" if kind == "loss" else ":metrics"
            return []
        side, _, kind = self._history.partition(":")
        if kind == "loss":
            if found := _HISTORY_LOSS.fullmatch(text):
                return points_of(side, int(found[1]), {"loss": python_value(found[2])})
            self._history = ""
        elif kind == "metrics":
            return self._series(side, text)
        return []

    def _series(self, side: str, text: str) -> Iterable[Told]:
        """A dict of lists of (round, value) that may be printed over several lines."""
        self._open.append(text)
        whole = "\n".join(self._open) if text.endswith("}") else ""
        value = python_value(whole)
        if not isinstance(value, dict):
            goes_on = self._open[0].startswith("{") and text and len(self._open) < _MOST_LINES
            self._history = self._history if goes_on else ""
            return []
        self._history = ""
        return [
            point
            for key, series in value.items()
            if isinstance(series, list)
            for entry in series
            if isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], int)
            for point in points_of(side, entry[0], {key: entry[1]})
        ]


def _with_loss(number: int, loss: object, metrics: object) -> list[Told]:
    others = metrics if isinstance(metrics, dict) else {}
    return list(points_of("server", number, {**others, "loss": loss}))
