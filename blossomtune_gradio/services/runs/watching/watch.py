"""Watches one run that Flower has: whom it waits for, and whether a deadline is over."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

from blossomtune_gradio.flower.lines.diagnosis import Who
from blossomtune_gradio.flower.lines.round_log import Event, Waiting
from blossomtune_gradio.flower.link.given import ErrorReply, Given
from blossomtune_gradio.flower.link.messages import SiteMessage
from blossomtune_gradio.services.runs import timeline
from blossomtune_gradio.services.runs.book import RunBook
from blossomtune_gradio.services.runs.limits import site_keys
from blossomtune_gradio.services.runs.watching import waiting
from blossomtune_gradio.services.runs.watching.deadlines import GoOn, for_round, for_waiting
from blossomtune_gradio.services.runs.watching.ledger import SiteLedger
from blossomtune_gradio.services.runs.watching.waiting import Wait
from blossomtune_gradio.services.runtimes.runtime import Runtime
from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.services.sites.service import Site
from blossomtune_gradio.store.models import Run, RunSite, RunStatus, Wish, now

_LAST_TRIES, _PAUSE = 5, 0.5  # for the replies of a run that is over; seconds between two tries
ALERT_AFTER = 30  # seconds of waiting after which people are told


class RunWatcher:
    """One for each run; lives as long as its follower."""

    def __init__(self, run_id: int, runtime: Runtime, book: RunBook) -> None:
        self._run_id, self._runtime, self._book = run_id, runtime, book
        self._ledger = SiteLedger(book.database, run_id)
        self._waiting: Waiting | None = None
        self._told = False
        self._heard = 0  # number of the newest event that was taken in

    def begin(self) -> None:
        """A new follower begins: what was waited for before is heard again if it is still so."""
        self._waiting = None

    def hear(self, event: Event) -> None:
        """A line of the run's log said that it waits, or something else that ends the wait."""
        self._waiting = event if isinstance(event, Waiting) else None

    def wait(self, run: Run) -> Wait | None:
        """What the run waits for at this moment."""
        if self._waiting is not None:
            said = self._waiting
            return waiting.for_sites(run, said.required, self._all_sites(), said.connected)
        if not self._online():
            return waiting.for_sites(run, 0, self._all_sites(), 0)
        rows = self._ledger.rows()
        if not run.round and not rows and len(self._online()) < (least := _least_sites(run)):
            return waiting.for_sites(run, least, self._all_sites(), None)
        return waiting.for_answers(run, rows, self._longest_round())

    def _longest_round(self) -> float:
        with self._book.database.read() as session:
            return timeline.longest_round(session, self._run_id)

    def look(self, run: Run, flower_id: int, over: bool = False) -> Run:
        """Note what the sites do, and act when a deadline is over. The row as it is now."""
        nodes = {site.node_id: site for site in self._all_sites() if site.node_id}
        take = self._last_look if over else self._take
        if not take(flower_id, nodes, run):
            return run  # what is open may be answered by now, so nothing is decided
        if over or run.status is not RunStatus.RUNNING or run.wish is not Wish.NONE:
            return run
        wait = self.wait(run)
        if wait is not None and wait.code == waiting.SITES:
            self._waits(run, wait)
        elif run.waiting_since is not None:
            self._book.has_enough(self._run_id)
            self._told = False
        if wish := for_round(run, self._ledger.rows()):
            self._book.ask_stop(self._run_id, wish)
        return self._book.get(self._run_id)

    def errors(self) -> list[ErrorReply]:
        """What sites answered with an error so far, and what Flower says of answers it lacks."""
        return self._ledger.errors()

    def rows(self) -> list[RunSite]:
        """What each site was asked and answered so far."""
        return self._ledger.rows()

    def who(self, node_id: int) -> Who:
        """The site behind a node id in an error reply."""
        return self._ledger.who(node_id)

    def _take(self, flower_id: int, sites: Mapping[str, Site], run: Run) -> bool:
        """Take in what lies there, and what was given since the last look. False: not known."""
        messages = self._runtime.messages.of_run(flower_id)
        return messages is not None and self._take_given(flower_id, messages, sites, run)

    def _last_look(self, flower_id: int, sites: Mapping[str, Site], run: Run) -> bool:
        """Nothing is open any more in a run that is over."""
        for _ in range(_LAST_TRIES):
            if self._take_given(flower_id, [], sites, run):
                return True
            time.sleep(_PAUSE)
        self._ledger.note([], Given(self._heard, whole=True), sites, run.round)
        return False

    def _take_given(
        self, flower_id: int, messages: Sequence[SiteMessage], sites: Mapping[str, Site], run: Run
    ) -> bool:
        while (given := self._runtime.messages.given_to(flower_id, self._heard)) is not None:
            at_the_end = given.number == self._heard
            self._ledger.note(messages, given, sites, run.round)
            self._heard = given.number
            if at_the_end:
                return True
        return False

    def _waits(self, run: Run, wait: Wait) -> None:
        if run.waiting_since is None:
            self._book.waits(self._run_id, wait.sentence)
        self._told = tell_of_wait(self._book, run, wait, self._told)
        has_begun = bool(self._ledger.rows())
        what = for_waiting(run, len(self._online()), wait.sentence, has_begun=has_begun)
        if isinstance(what, GoOn):
            lower_sites(self._book, run, what.sites)
        elif what is not None:
            self._book.ask_stop(self._run_id, what)

    def _all_sites(self) -> Sequence[Site]:
        return self._runtime.sites()

    def _online(self) -> list[Site]:
        return [site for site in self._all_sites() if site.presence is Presence.ONLINE]


def _least_sites(run: Run) -> int:
    """How many sites the app was told to wait for. Not every app says in its log that it does."""
    return max((int(run.config[key]) for key in site_keys(run.config)), default=0)


def tell_of_wait(book: RunBook, run: Run, wait: Wait, told: bool) -> bool:
    """Tell people once that a run has been waiting for a while; whether they have been told."""
    since = run.waiting_since
    if told or since is None or now() - since < timedelta(seconds=ALERT_AFTER):
        return told
    book.still_waits(run.id, wait.sentence)
    return True


def lower_sites(book: RunBook, run: Run, count: int) -> None:
    """Let a run go on with so many sites; one that Flower has is submitted again for that."""
    with book.change(run.id) as (session, row):
        if row.status.is_end or row.wish is Wish.STOP:
            return  # somebody was quicker
        lowered = {key: min(int(row.config[key]), count) for key in site_keys(row.config)}
        row.config = {**row.config, **lowered}
        row.min_sites, row.waiting_since = min(row.min_sites, count), None
        if row.flower_run_id is not None:
            row.ask_again()
        timeline.note(
            session, run.id, "quorum", f"Goes on with the {count} site(s) that are there."
        )
