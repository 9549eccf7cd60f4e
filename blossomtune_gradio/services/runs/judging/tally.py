"""What speaks for or against a run that calls itself completed, counted while it runs. Pure."""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Sequence

from blossomtune_gradio.flower.lines.round_log import (
    Event,
    NotUnderstood,
    Point,
    Replies,
    RoundStarted,
)
from blossomtune_gradio.flower.link.given import ErrorReply
from blossomtune_gradio.plain_text import plain
from blossomtune_gradio.store.models import RunSite

_KEPT_LINES, _KEPT_NAN_LINES = 400, 12
_LEAST_ROUNDS = 3  # values of a loss, to say that nothing changed


class Tally:
    """Hears every line of the run's log, and every event that was read from it."""

    def __init__(self) -> None:
        self.replies: Counter[str] = Counter()  # by phase
        self.failures: Counter[str] = Counter()
        self.fewest = 0  # good answers in the worst round of training; 0: none was counted
        self.values: dict[str, list[float]] = defaultdict(list)
        self.nan_lines: list[str] = []
        self.errors: Sequence[ErrorReply] = ()  # what sites answered, from Flower's own records
        self.sites: Sequence[RunSite] = ()  # what each was asked and answered, likewise
        self.told = False  # of a round, or a number
        self.not_understood = 0  # lines that were to hold metrics
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def hear(self, line: str) -> None:
        """Remember the newest lines: a traceback is at the end."""
        if text := plain(line):
            self.lines.append(text)

    def add(self, event: Event) -> None:
        """Count replies, remember the values of each metric."""
        self.told = self.told or isinstance(event, RoundStarted | Replies | Point)
        if isinstance(event, Replies):
            self.replies[event.phase] += event.results
            self.failures[event.phase] += event.failures
            if event.phase == "train":
                self.fewest = min(self.fewest or event.results, event.results)
        elif isinstance(event, Point) and not event.site:
            self.values[event.name].append(event.value)
            if math.isnan(event.value) and len(self.nan_lines) < _KEPT_NAN_LINES and self.lines:
                self.nan_lines.append(self.lines[-1])
        elif isinstance(event, NotUnderstood):
            self.not_understood += 1

    @property
    def asked(self) -> bool:
        """Whether any site was asked for anything."""
        return bool(self.sites or self.errors or self.replies or self.failures)

    @property
    def good_answers(self) -> int:
        """At least so many answers of sites were no error."""
        counted = sum(max(0, row.answered - row.failures) for row in self.sites)
        return max(counted, sum(self.replies.values()))

    @property
    def failed_phases(self) -> list[str]:
        """Phases in which no site ever gave a good answer."""
        return sorted(p for p, n in self.failures.items() if n and not self.replies[p])

    @property
    def not_a_number(self) -> list[str]:
        """Metrics whose newest value is no number."""
        return sorted(name for name, values in self.values.items() if math.isnan(values[-1]))

    @property
    def standing_still(self) -> list[str]:
        """The losses, if not one metric ever changed from round to round."""
        series = {name: values for name, values in self.values.items() if len(values) > 1}
        losses = sorted(name for name in series if "loss" in name.rpartition("/")[2].lower())
        still = all(len(set(values)) == 1 for values in series.values())
        long = any(len(series[name]) >= _LEAST_ROUNDS for name in losses)
        return losses if still and long else []
