"""How a run really ended: the one place where a cause is decided. Pure.

`judged` takes Flower's word and corrects it by what was asked of us and by what the replies say:
Flower calls a run *completed* even if every client failed or the model is not a number. Each
verdict has a sentence, a code for machines and the lines that show it.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass
from enum import StrEnum

from blossomtune_gradio.flower.facts import RunFact
from blossomtune_gradio.flower.round_log import ErrorReply, Event, Point, Replies
from blossomtune_gradio.store.models import RunStatus

_KEPT_LINES, _KEPT_ERRORS = 12, 8


class Cause(StrEnum):
    """Why a run ended, for machines. A completed run has none."""

    REFUSED = "refused"  # Flower did not take it
    CANCELLED = "cancelled"  # taken out of the queue
    STOPPED = "stopped"  # by a person
    QUORUM = "quorum"  # too few sites for too long
    ROUND_TIMEOUT = "round timeout"
    LOST = "lost"  # the SuperLink does not know it any more
    SERVER_APP = "server app"  # the ServerApp raised
    ALL_FAILED = "all replies failed"
    NOT_A_NUMBER = "not a number"
    INTERNAL = "internal"  # an error of ours


@dataclass(frozen=True)
class Verdict:
    """An end and its reason."""

    status: RunStatus
    cause: str = ""  # a sentence
    code: str = ""  # one of `Cause`
    evidence: tuple[str, ...] = ()  # lines that show it


@dataclass(frozen=True)
class StopWish:
    """Who wants a run to end, and (where we ourselves do) why."""

    by: str = ""
    code: str = ""
    sentence: str = ""


class Tally:
    """What speaks for or against a run that calls itself completed."""

    def __init__(self) -> None:
        self.replies: Counter[str] = Counter()  # by phase
        self.failures: Counter[str] = Counter()
        self.last_values: dict[str, float] = {}
        self.errors: deque[str] = deque(maxlen=_KEPT_ERRORS)  # what sites answered
        self.last_lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def hear(self, line: str) -> None:
        """Remember the newest lines: a traceback is at the end."""
        if line.strip():
            self.last_lines.append(line)

    def add(self, event: Event) -> None:
        """Count replies, remember the newest value of each metric."""
        if isinstance(event, Replies):
            self.replies[event.phase] += event.results
            self.failures[event.phase] += event.failures
        elif isinstance(event, Point) and not event.site:
            self.last_values[event.name] = event.value
        elif isinstance(event, ErrorReply):
            self.errors.append(f"node {event.node_id}: {event.reason}")

    @property
    def failed_phases(self) -> list[str]:
        """Phases in which no site ever gave a good answer."""
        return sorted(p for p, n in self.failures.items() if n and not self.replies[p])

    @property
    def not_a_number(self) -> list[str]:
        """Metrics whose newest value is no number."""
        return sorted(name for name, value in self.last_values.items() if math.isnan(value))


def unknown_run(run_id: int) -> RunFact:
    """Stands for a run the SuperLink has forgotten, for example with its database."""
    nothing = dict.fromkeys(("pending_at", "starting_at", "running_at", "finished_at"))
    return RunFact(
        run_id=run_id,
        app_id="",
        app_version="",
        fab_hash="",
        status="finished",
        sub_status="unknown",
        details="",
        bytes_sent=0,
        bytes_received=0,
        client_seconds=0.0,
        **nothing,
    )


def judged(fact: RunFact, tally: Tally, wish: StopWish) -> Verdict:
    """Flower's word on the end of a run, corrected by what its replies say."""
    lines = tuple(tally.last_lines)
    if fact.sub_status == "unknown":
        sentence = "Flower does not know this run (any more). Start it again."
        return Verdict(RunStatus.LOST, sentence, Cause.LOST, lines)
    if fact.sub_status == "stopped":
        return stopped(wish, lines)
    if fact.sub_status == "failed":
        said = f" Flower says: {fact.details}" if fact.details else ""
        sentence = f"The ServerApp failed; its log says where.{said}"
        return Verdict(RunStatus.FAILED, sentence, Cause.SERVER_APP, lines)
    return _of_replies(tally)


def stopped(wish: StopWish, evidence: tuple[str, ...] = ()) -> Verdict:
    """The end of a run that somebody, or a deadline, wanted to end."""
    if wish.sentence:
        return Verdict(RunStatus.STOPPED, wish.sentence, wish.code or Cause.STOPPED, evidence)
    sentence = f"Stopped by {wish.by or 'somebody using the flwr command'}."
    return Verdict(RunStatus.STOPPED, sentence, Cause.STOPPED)


def refused(reason: object, output: tuple[str, ...] = ()) -> Verdict:
    """`flwr run` did not lead to a run."""
    sentence = f"Flower did not take the run: {reason}"
    return Verdict(RunStatus.FAILED, sentence, Cause.REFUSED, output[-_KEPT_LINES:])


def stumbled(error: BaseException) -> Verdict:
    """An error of ours, again and again."""
    sentence = (
        "BlossomTune itself could not go on with this run. The log named blossomtune has the "
        "reason; run it again, and report it if it happens twice."
    )
    return Verdict(RunStatus.FAILED, sentence, Cause.INTERNAL, (repr(error)[:500],))


def _of_replies(tally: Tally) -> Verdict:
    if phases := tally.failed_phases:
        sentence = (
            f"No site could {' or '.join(phases)}: every reply was an error. The log of the run "
            "names the error; the sites' own logs have its traceback."
        )
        return Verdict(RunStatus.FAILED, sentence, Cause.ALL_FAILED, tuple(tally.errors))
    if bad := tally.not_a_number:
        sentence = f"The model broke: {', '.join(bad)} is not a number."
        shown = tuple(f"{name} = nan" for name in bad)
        return Verdict(RunStatus.FAILED, sentence, Cause.NOT_A_NUMBER, shown)
    return Verdict(RunStatus.COMPLETED)
