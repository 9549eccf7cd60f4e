"""How a run really ended: Flower's word, corrected by what the replies say. Pure.

Flower calls a run *completed* even if every client failed or the model is not a number.
"""

from __future__ import annotations

import math
from collections import Counter

from blossomtune_gradio.flower.facts import RunFact
from blossomtune_gradio.flower.round_log import Event, Point, Replies
from blossomtune_gradio.store.models import RunStatus


class Tally:
    """What speaks for or against a run that calls itself completed."""

    def __init__(self) -> None:
        self.replies: Counter[str] = Counter()  # by phase
        self.failures: Counter[str] = Counter()
        self.last_values: dict[str, float] = {}

    def add(self, event: Event) -> None:
        """Count replies, remember the newest value of each metric."""
        if isinstance(event, Replies):
            self.replies[event.phase] += event.results
            self.failures[event.phase] += event.failures
        elif isinstance(event, Point) and not event.site:
            self.last_values[event.name] = event.value

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


def judged(fact: RunFact, tally: Tally, stopper: str) -> tuple[RunStatus, str]:
    """Flower's word on the end of a run, corrected by what its replies say."""
    if fact.sub_status == "unknown":
        return RunStatus.LOST, "Flower does not know this run (any more). Start it again."
    if fact.sub_status == "stopped":
        return RunStatus.STOPPED, f"Stopped by {stopper or 'somebody using the flwr command'}."
    if fact.sub_status == "failed":
        said = f" Flower says: {fact.details}" if fact.details else ""
        return RunStatus.FAILED, f"The ServerApp failed; its log says where.{said}"
    if phases := tally.failed_phases:
        return RunStatus.FAILED, (
            f"No site could {' or '.join(phases)}: every reply was an error. The log of the run "
            "names the error; the sites' own logs have its traceback."
        )
    if bad := tally.not_a_number:
        return RunStatus.FAILED, f"The model broke: {', '.join(bad)} is not a number."
    return RunStatus.COMPLETED, ""
