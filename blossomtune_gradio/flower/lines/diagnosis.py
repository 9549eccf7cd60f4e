"""From what programs wrote to a named cause: what happened, the lines that show it, what to do.

Pure: texts in, a `Cause` out. Which causes have a name stands in `causes.toml`. Surprise: most
exceptions have none, and need none: then the exception itself is the sentence, with where it came
from. A guess would send people the wrong way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from blossomtune_gradio.flower.apps.reads import NOTHING_KNOWN, AppReads
from blossomtune_gradio.flower.lines.cause_table import NamedCause, named, named_line
from blossomtune_gradio.flower.lines.raised import Raised, raised, raised_by_server

MOST_EVIDENCE = 12  # lines on a card
SERVER_KILLED = "server-killed"  # the code of a ServerApp that is gone without a word
UNNAMED = "exception"  # the code of what has no name of ours
_LONGEST = 400  # characters of one line of evidence
_LONGEST_HEADLINE = 240
_FORMS = re.compile(r"\[([^\[\]|]+)\|([^\[\]|]+)\]")  # [needs|need]


@dataclass(frozen=True)
class Diagnosis:
    """Why something failed. `code` is stable and for programs, the rest is for people."""

    code: str
    sentence: str
    """What happened."""
    advice: str
    """What to do next."""
    evidence: tuple[str, ...] = ()
    """The lines that show it, oldest first."""

    @property
    def text(self) -> str:
        """Both sentences."""
        return f"{self.sentence} {self.advice}"


@dataclass(frozen=True)
class Who:
    """Whose output is judged; both words complete our sentences."""

    name: str
    """"The ServerApp", "Charité", "Birch and Cedar"."""
    place: str
    """Where something must be done: "on the server", "at Charité"."""
    several: bool = False
    """It is spoken of as *they*."""


SERVER = Who("The ServerApp", "on the server")


def together(names: Sequence[str]) -> Who:
    """These sites, spoken of at once."""
    *others, last = names or ("A site",)
    name = f"{', '.join(others)} and {last}" if others else last
    return Who(name, f"at {name}" if names else "there", several=bool(others))


def diagnose(
    who: Who, said: str, evidence: Sequence[str] = (), reads: AppReads = NOTHING_KNOWN
) -> Diagnosis:
    """The cause behind an error reply's reason, or a line such as `KeyError: 'age'`.

    `evidence` is what to show; what was said when there is none. `reads` is what the app asks for.
    """
    what = raised(said)
    return _cause(who, what, evidence or [spoken(said) or "it gave no reason"], reads)


def server_cause(details: str, lines: Sequence[str], reads: AppReads = NOTHING_KNOWN) -> Diagnosis:
    """Why a ServerApp failed: Flower's details, and the traceback in its log if there is one."""
    what = raised_by_server(details, lines)
    return _cause(SERVER, what, what.lines or [what.headline or "it gave no reason"], reads)


def program_cause(name: str, lines: Sequence[str]) -> Diagnosis | None:
    """Why a program of ours (SuperLink, executor, flwr run) failed, if its output tells."""
    who = Who(name, "on the server")
    for line in reversed(lines):
        found = named_line(line) or named(
            raised(line), NOTHING_KNOWN, on_server=True, by_program=True
        )
        if found is not None:
            return _filled(found, who, lines)
    return None


def spoken(text: str) -> str:
    """`<class 'ValueError'>:<'…'>` as Python would print it."""
    what = raised(text)
    if not what.type:
        return what.message
    return f"{what.type}: {what.message}" if what.message else what.type


def _cause(who: Who, what: Raised, evidence: Sequence[str], reads: AppReads) -> Diagnosis:
    found = named(what, reads, on_server=who == SERVER)
    return _filled(found, who, evidence) if found else _unnamed(who, what, evidence)


def _filled(found: NamedCause, who: Who, evidence: Sequence[str]) -> Diagnosis:
    words = {**found.words, "who": who.name, "place": who.place}
    sentence, advice = (
        _FORMS.sub(lambda form: form[2 if who.several else 1], text).format_map(words)
        for text in (found.sentence, found.advice)
    )
    sentence = sentence if sentence.endswith(".") else f"{sentence}."
    return Diagnosis(found.code, sentence, advice, _shown(evidence))


def _unnamed(who: Who, what: Raised, evidence: Sequence[str]) -> Diagnosis:
    """The exception is the headline."""
    headline = " ".join(what.headline.split())[:_LONGEST_HEADLINE].rstrip(".")
    if not headline:
        sentence = f"{who.name} failed and gave no reason."
    else:
        where = "in the ServerApp" if who == SERVER else who.place
        at = ", ".join(filter(None, (where, what.site)))
        behind = f", raised from {what.behind[:_LONGEST_HEADLINE]}" if what.behind else ""
        sentence = f"{headline} ({at}{behind})."
    if who == SERVER:
        advice = "Correct the app, or what it was given, then start the run again."
    else:
        advice = (
            f"The log {who.place} has the traceback. Correct the app on the server, or the data "
            f"{who.place}, then start the run again."
        )
    return Diagnosis(UNNAMED, sentence, advice, _shown(evidence))


def _shown(evidence: Sequence[str]) -> tuple[str, ...]:
    lines = [line for text in evidence for line in (text.splitlines() or [""])]
    return tuple(line[:_LONGEST] for line in lines[-MOST_EVIDENCE:])
