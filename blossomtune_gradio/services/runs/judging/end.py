"""The end of a run as plain values: how, why, and who wanted it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from blossomtune_gradio.store.models import RunStatus


class Cause(StrEnum):
    """Why a run ended, for machines; besides these, the codes of `flower.diagnosis`, and
    "NAME ended" with the name of a program of the runtime."""

    REFUSED = "refused"  # Flower did not take it
    CANCELLED = "cancelled"  # taken out of the queue
    STOPPED = "stopped"  # by a person
    QUORUM = "quorum"  # too few sites for too long
    ROUND_TIMEOUT = "round timeout"
    LOST = "lost"  # the SuperLink does not know it any more
    ALL_FAILED = "all replies failed"  # for different reasons
    NOT_A_NUMBER = "not a number"
    NOTHING_CHANGED = "nothing changed"
    NOTHING_DONE = "nothing done"  # completed, and no site was asked or answered
    SILENT = "told nothing"  # completed, and its log has no round and no number
    FEWER_SITES = "fewer sites than asked"
    INTERNAL = "internal"  # an error of ours


@dataclass(frozen=True)
class Verdict:
    """An end and its reason."""

    status: RunStatus
    cause: str = ""  # a sentence
    code: str = ""  # one of `Cause`
    evidence: tuple[str, ...] = ()  # lines that show it
    advice: str = ""  # what to do next


@dataclass(frozen=True)
class StopWish:
    """Who wants a run to end, and (where we ourselves do) why."""

    by: str = ""
    code: str = ""
    sentence: str = ""
