"""How many questions each site was asked and has answered, from the names of the questions.

A name is counted once, wherever it was seen: lying in the SuperLink's database, or among the
replies that the ServerApp was given. Where the ServerApp's process tells of every reply the numbers
are those of the names alone, which anybody who reads the events again finds the same. Where it does
not, a fresh one goes on from the numbers that an earlier one wrote down. Numbers never fall. Limit:
about 200 bytes of memory for each question of a run that is watched. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from blossomtune_gradio.flower.link.given import Given
from blossomtune_gradio.flower.link.messages import SiteMessage
from blossomtune_gradio.store.models import RunSite


@dataclass
class Seen:
    """Names of the questions to one site."""

    asked: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)  # all of them are among the asked
    failed: set[str] = field(default_factory=set)  # all of them are among the answered
    asked_before: int = 0  # by the time this began
    answered_before: int = 0
    counted_asked: set[str] = field(default_factory=set)  # are in these two numbers already
    counted_answered: set[str] = field(default_factory=set)

    def answer(self, name: str, *, failed: bool = False) -> None:
        """The site, or Flower in its place, has answered this."""
        self.asked.add(name)
        self.answered.add(name)
        if failed:
            self.failed.add(name)


class Counts:
    """Of all sites of one run, by node id in decimal."""

    def __init__(self) -> None:
        self.whole = False  # the ServerApp's process tells of every reply
        self._sites: dict[str, Seen] = {}

    def go_on(self, rows: Iterable[RunSite], counted: Iterable[tuple[str, str]]) -> None:
        """Begin with what an earlier one wrote down; these answers (node, name) are among it."""
        names: dict[str, set[str]] = {}
        for node, name in counted:
            names.setdefault(node, set()).add(name)
        for row in rows:
            of_node, still_open = names.get(row.node_id, set()), set(row.open_messages)
            self._sites[row.node_id] = Seen(
                asked=set(still_open),
                asked_before=row.asked,
                answered_before=row.answered,
                counted_asked=of_node | still_open,
                counted_answered=of_node - still_open,
            )

    def take(self, given: Given) -> set[str]:
        """Count what was given; whose errors were among it."""
        self.whole = self.whole or given.whole
        for name, node in given.good:
            self.site(str(node)).answer(name)
        for error in given.errors:
            self.site(str(error.node_id)).answer(error.message_id, failed=True)
        return {str(error.node_id) for error in given.errors}

    def look(self, row: RunSite, messages: Sequence[SiteMessage]) -> list[SiteMessage]:
        """Count what lies there of one site; what of it is open."""
        seen, there = self.site(row.node_id), {message.message_id for message in messages}
        seen.asked |= there
        gone = set() if self.whole else set(row.open_messages) - there
        for name in gone | {message.message_id for message in messages if message.answered}:
            seen.answer(name)
        return [message for message in messages if message.message_id not in seen.answered]

    def site(self, node: str) -> Seen:
        """Of one site; made if there is none."""
        return self._sites.setdefault(node, Seen())

    def write(self, row: RunSite) -> None:
        """Bring the numbers of a row up to date."""
        seen = self.site(row.node_id)
        asked, answered = len(seen.asked), len(seen.answered)
        if not self.whole:
            asked = seen.asked_before + len(seen.asked - seen.counted_asked)
            answered = seen.answered_before + len(seen.answered - seen.counted_answered)
        row.asked, row.answered = max(row.asked, asked), max(row.answered, answered)
        row.failures = max(row.failures, len(seen.failed))
