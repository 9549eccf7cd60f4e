"""How a run really ended: the one place where a cause is decided. Pure.

`judged` takes Flower's word and corrects it by what was asked of us and by what the replies say:
Flower calls a run *completed* even if every client failed, the model is not a number or nothing was
learned. Each verdict has a sentence, what to do, a code for machines and the lines that show it.
Surprise: a completed run may have a cause too; then it is a remark, for example on a site it lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from blossomtune_gradio.flower.apps.reads import NOTHING_KNOWN, AppReads
from blossomtune_gradio.flower.lines.diagnosis import (
    SERVER_KILLED,
    Diagnosis,
    Who,
    program_cause,
    server_cause,
)
from blossomtune_gradio.flower.link.facts import RunFact
from blossomtune_gradio.services.runs.judging.end import Cause, StopWish, Verdict
from blossomtune_gradio.services.runs.judging.site_failures import SiteFailures, site_failures
from blossomtune_gradio.services.runs.judging.tally import Tally
from blossomtune_gradio.services.runtimes.runtime import Incident
from blossomtune_gradio.store.models import RunStatus

_SHOWN = 12  # lines of evidence


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
    reads: AppReads = NOTHING_KNOWN,
) -> Verdict:
    """Flower's word on the end of a run, corrected by what its replies say.

    `who` names the site behind a node id, `wanted_sites` is how many the run was to have (0: any),
    `incidents` tells which programs of ours ended while it ran, `reads` what the app asks for.
    """
    lines = tuple(tally.lines)[-_SHOWN:]
    if fact.sub_status == "unknown":
        sentence = "Flower does not know this run (any more)."
        return Verdict(RunStatus.LOST, sentence, Cause.LOST, lines, "Run it again.")
    if fact.sub_status == "stopped":
        return stopped(wish, lines)
    failures = site_failures(tally.errors, who, reads) if tally.errors else None
    if fact.sub_status == "failed":
        return _failed(fact, tally, failures, incidents, reads)
    return _of_replies(fact, tally, failures, wanted_sites)


def _failed(
    fact: RunFact,
    tally: Tally,
    failures: SiteFailures | None,
    incidents: Sequence[Incident],
    reads: AppReads,
) -> Verdict:
    cause = server_cause(fact.details, tuple(tally.lines), reads)
    if cause.code == SERVER_KILLED and incidents:
        # Without an executor a ServerApp dies; one whose SuperLink is away waits for it.
        last = next((i for i in reversed(incidents) if i.hosts_apps), incidents[-1])
        return Verdict(
            RunStatus.FAILED,
            f"The {last.program} ended while the run was on, and took the ServerApp with it.",
            f"{last.program} ended",
            tuple(incident.text for incident in incidents)[-_SHOWN:],
            "Run it again."
            if last.asked
            else "It was started again by itself; its log says why it ended. Run it again.",
        )
    if failures is None:
        return _verdict(RunStatus.FAILED, cause)
    evidence = (*failures.evidence, *cause.evidence)
    if cause.code != SERVER_KILLED and (lead := _nobody(tally)):
        # What the ServerApp stumbled over then is that it had nothing to work with.
        evidence = (*failures.evidence, f"The ServerApp then ended: {cause.evidence[-1]}")
        return _all_failed(failures, lead, evidence)
    sentence = f"{cause.sentence} Before that, not every answer was good. {failures.sentence}"
    return Verdict(RunStatus.FAILED, sentence, cause.code, evidence, cause.advice)


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


def with_silence(verdict: Verdict) -> Verdict:
    """A completed run that told of no round and no number says at least that."""
    if verdict.status is not RunStatus.COMPLETED or verdict.cause:
        return verdict
    return Verdict(
        RunStatus.COMPLETED,
        "Its log told of no round and of no number.",
        Cause.SILENT,
        advice="The strategies of Flower tell by themselves; an app with a loop of its own prints "
        "lines that begin with @@BLOSSOM (see docs/apps.md).",
    )


def stumbled(error: BaseException) -> Verdict:
    """An error of ours, again and again."""
    sentence = (
        "BlossomTune itself could not go on with this run. The log named blossomtune has the "
        "reason; run it again, and report it if it happens twice."
    )
    return Verdict(RunStatus.FAILED, sentence, Cause.INTERNAL, (repr(error)[:500],))


def _of_replies(
    fact: RunFact, tally: Tally, failures: SiteFailures | None, wanted_sites: int
) -> Verdict:
    if lead := _nobody(tally):
        return _all_failed(failures, lead, failures.evidence if failures else ())
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
        return _too_few(tally, failures, wanted_sites)
    if failures:
        sentence = f"Not every answer was good. {failures.sentence}"
        code, evidence = failures.causes[-1].code, failures.evidence
        return Verdict(RunStatus.COMPLETED, sentence, code, evidence, failures.advice)
    return _nothing_done(fact, tally) or Verdict(RunStatus.COMPLETED)


def _nobody(tally: Tally) -> str:
    """A sentence when no site gave a good answer, in a phase or at all; "" otherwise."""
    if phases := tally.failed_phases:
        return f"No site could {' or '.join(phases)}: every reply was an error."
    if tally.errors and not tally.good_answers:
        return "No site gave a good answer: every reply was an error."
    return ""


def _all_failed(failures: SiteFailures | None, lead: str, evidence: tuple[str, ...]) -> Verdict:
    if failures is None:  # the log counts failures, and Flower's records have none of them
        advice = "The sites' own logs have the traceback."
        return Verdict(RunStatus.FAILED, lead, Cause.ALL_FAILED, evidence, advice)
    sentence = f"{lead} {failures.sentence}"
    code = failures.code or Cause.ALL_FAILED
    return Verdict(RunStatus.FAILED, sentence, code, evidence, failures.advice)


def _too_few(tally: Tally, failures: SiteFailures | None, wanted_sites: int) -> Verdict:
    sentence = (
        f"A round had {tally.fewest} good answer(s), but {wanted_sites} sites were asked for."
    )
    if failures is None:
        evidence = (f"fewest good answers in a round: {tally.fewest}",)
        advice = "Bring the missing sites online, then run it again."
        return Verdict(RunStatus.FAILED, sentence, Cause.FEWER_SITES, evidence, advice)
    sentence = f"{sentence} {failures.sentence}"
    code = failures.causes[-1].code
    return Verdict(RunStatus.FAILED, sentence, code, failures.evidence, failures.advice)


def _nothing_done(fact: RunFact, tally: Tally) -> Verdict | None:
    """A remark on a run in which no site had a part, whatever its app calls that."""
    if tally.good_answers or fact.client_seconds:
        return None
    asked = tally.asked or bool(fact.bytes_sent)
    what = "no site has answered" if asked else "no site was asked for anything"
    return Verdict(
        RunStatus.COMPLETED,
        f"Flower calls the run completed, but nothing was done: {what}.",
        Cause.NOTHING_DONE,
        tuple(tally.lines)[-_SHOWN:],
        "Look at the number of rounds in the run's settings, and at what the ServerApp wrote.",
    )
