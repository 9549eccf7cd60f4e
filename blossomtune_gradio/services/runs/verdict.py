"""How a run really ended: the one place where a cause is decided. Pure.

`judged` takes Flower's word and corrects it by what was asked of us and by what the replies say:
Flower calls a run *completed* even if every client failed, the model is not a number or nothing was
learned. Each verdict has a sentence, what to do, a code for machines and the lines that show it.
Surprise: a completed run may have a cause too; then it is a remark, for example on a site it lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from blossomtune_gradio.flower.diagnosis import (
    SERVER_KILLED,
    Who,
    diagnose,
    program_cause,
    server_cause,
    spoken,
    together,
)
from blossomtune_gradio.flower.diagnosis import Cause as Diagnosis
from blossomtune_gradio.flower.facts import RunFact
from blossomtune_gradio.plain_text import one_line
from blossomtune_gradio.services.runs.tally import Tally
from blossomtune_gradio.store.models import RunStatus

_SHOWN = 12  # lines of evidence


class Cause(StrEnum):
    """Why a run ended, for machines; besides these, the codes of `flower.diagnosis`."""

    REFUSED = "refused"  # Flower did not take it
    CANCELLED = "cancelled"  # taken out of the queue
    STOPPED = "stopped"  # by a person
    QUORUM = "quorum"  # too few sites for too long
    ROUND_TIMEOUT = "round timeout"
    LOST = "lost"  # the SuperLink does not know it any more
    ALL_FAILED = "all replies failed"  # for different reasons
    NOT_A_NUMBER = "not a number"
    NOTHING_CHANGED = "nothing changed"
    FEWER_SITES = "fewer sites than asked"
    EXECUTOR = "executor ended"  # a program of ours ended below the run
    SUPERLINK = "superlink ended"
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


@dataclass(frozen=True)
class Incident:
    """A program of ours that ended while the run was on."""

    program: str  # "superlink" or "executor"
    text: str  # how, with the time
    asked: bool = False  # somebody wanted it to end


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
        config={},
        **nothing,
    )


def judged(
    fact: RunFact,
    tally: Tally,
    wish: StopWish,
    who: Callable[[int], Who],
    wanted_sites: int = 0,
    incidents: Sequence[Incident] = (),
) -> Verdict:
    """Flower's word on the end of a run, corrected by what its replies say.

    `who` names the site behind a node id, `wanted_sites` is how many the run was to have (0: any),
    `incidents` tells which programs of ours ended while it ran.
    """
    lines = tuple(tally.lines)[-_SHOWN:]
    if fact.sub_status == "unknown":
        sentence = "Flower does not know this run (any more)."
        return Verdict(RunStatus.LOST, sentence, Cause.LOST, lines, "Run it again.")
    if fact.sub_status == "stopped":
        return stopped(wish, lines)
    if fact.sub_status == "failed":
        return _failed(fact, tally, incidents)
    return _of_replies(tally, who, wanted_sites)


def _failed(fact: RunFact, tally: Tally, incidents: Sequence[Incident]) -> Verdict:
    cause = server_cause(fact.details, tuple(tally.lines))
    if cause.code == SERVER_KILLED and incidents:
        # Without an executor a ServerApp dies; one whose SuperLink is away waits for it.
        last = next((i for i in reversed(incidents) if i.program == "executor"), incidents[-1])
        program = last.program
        code = Cause.SUPERLINK if program == "superlink" else Cause.EXECUTOR
        return Verdict(
            RunStatus.FAILED,
            f"The {program} ended while the run was on, and took the ServerApp with it.",
            code,
            tuple(incident.text for incident in incidents)[-_SHOWN:],
            "Run it again."
            if last.asked
            else "It was started again by itself; its log says why it ended. Run it again.",
        )
    return _verdict(RunStatus.FAILED, cause)


def _verdict(status: RunStatus, cause: Diagnosis) -> Verdict:
    return Verdict(status, cause.sentence, cause.code, cause.evidence, cause.advice)


def stopped(wish: StopWish, evidence: tuple[str, ...] = ()) -> Verdict:
    """The end of a run that somebody, or a deadline, wanted to end."""
    if wish.sentence:
        return Verdict(RunStatus.STOPPED, wish.sentence, wish.code or Cause.STOPPED, evidence)
    sentence = f"Stopped by {wish.by or 'somebody using the flwr command'}."
    return Verdict(RunStatus.STOPPED, sentence, Cause.STOPPED)


def refused(reason: object, output: tuple[str, ...] = ()) -> Verdict:
    """`flwr run` did not lead to a run."""
    sentence = f"Flower did not take the run: {reason}"
    cause = program_cause("flwr run", output)
    return Verdict(
        RunStatus.FAILED,
        sentence,
        cause.code if cause else Cause.REFUSED,
        output[-_SHOWN:] or (str(reason),),
        cause.advice if cause else "Correct what the sentence names, then run it again.",
    )


def stumbled(error: BaseException) -> Verdict:
    """An error of ours, again and again."""
    sentence = (
        "BlossomTune itself could not go on with this run. The log named blossomtune has the "
        "reason; run it again, and report it if it happens twice."
    )
    return Verdict(RunStatus.FAILED, sentence, Cause.INTERNAL, (repr(error)[:500],))


def _of_replies(tally: Tally, who: Callable[[int], Who], wanted_sites: int) -> Verdict:
    if phases := tally.failed_phases:
        return _all_failed(tally, who, phases)
    if bad := tally.not_a_number:
        sentence = f"The model broke: {', '.join(bad)} is not a number."
        shown = tuple(tally.nan_lines) or tuple(f"{name} = nan" for name in bad)
        advice = "Lower the learning rate, check the sites' data, and let the strategy drop NaN."
        return Verdict(RunStatus.FAILED, sentence, Cause.NOT_A_NUMBER, shown, advice)
    if still := tally.standing_still:
        sentence = "The rounds went by, but nothing changed: every metric stayed the same."
        shown = tuple(f"{name}: {tally.values[name][-1]:g} in every round" for name in still)
        advice = "Check that the ClientApp trains and returns the new weights, not the old ones."
        return Verdict(RunStatus.FAILED, sentence, Cause.NOTHING_CHANGED, shown, advice)
    if tally.fewest and tally.fewest < wanted_sites:
        return _too_few(tally, who, wanted_sites)
    if tally.errors:
        return _remark(tally, who)
    return Verdict(RunStatus.COMPLETED)


def _all_failed(tally: Tally, who: Callable[[int], Who], phases: list[str]) -> Verdict:
    causes = _causes(tally, who)
    names = tuple(dict.fromkeys(who(error.node_id).name for error in tally.errors))
    everybody = together(names)
    lead = f"No site could {' or '.join(phases)}: every reply was an error."
    evidence = _evidence(tally, who)
    if len({cause.code for cause in causes}) == 1:
        cause = diagnose(everybody, tally.errors[-1].reason)
        sentence = f"{lead} {cause.sentence}"
        return Verdict(RunStatus.FAILED, sentence, cause.code, evidence, cause.advice)
    advice = "The evidence has each site's error; the sites' own logs have the traceback."
    return Verdict(RunStatus.FAILED, lead, Cause.ALL_FAILED, evidence, advice)


def _too_few(tally: Tally, who: Callable[[int], Who], wanted_sites: int) -> Verdict:
    sentence = (
        f"A round had {tally.fewest} good answer(s), but {wanted_sites} sites were asked for."
    )
    causes = _causes(tally, who)
    if causes:
        sentence = f"{sentence} {causes[-1].sentence}"
    advice = causes[-1].advice if causes else "Bring the missing sites online, then run it again."
    evidence = _evidence(tally, who) or (f"fewest good answers in a round: {tally.fewest}",)
    code = causes[-1].code if causes else Cause.FEWER_SITES
    return Verdict(RunStatus.FAILED, sentence, code, evidence, advice)


def _remark(tally: Tally, who: Callable[[int], Who]) -> Verdict:
    """It is completed, but not every answer was good."""
    causes = _causes(tally, who)
    said = " ".join(dict.fromkeys(cause.sentence for cause in causes))
    sentence = f"Not every answer was good. {said}"
    last = causes[-1]
    return Verdict(RunStatus.COMPLETED, sentence, last.code, _evidence(tally, who), last.advice)


def _causes(tally: Tally, who: Callable[[int], Who]) -> list[Diagnosis]:
    return [diagnose(who(error.node_id), error.reason) for error in tally.errors]


def _evidence(tally: Tally, who: Callable[[int], Who]) -> tuple[str, ...]:
    shown = [
        f"{who(error.node_id).name}: {one_line(spoken(error.reason))}" for error in tally.errors
    ]
    return tuple(dict.fromkeys(shown))[-_SHOWN:]
