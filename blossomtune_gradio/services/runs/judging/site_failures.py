"""What sites failed with, told together: the same words of several sites are one sentence. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blossomtune_gradio.flower.apps.reads import AppReads
from blossomtune_gradio.flower.lines.diagnosis import (
    UNNAMED,
    Diagnosis,
    Who,
    diagnose,
    spoken,
    together,
)
from blossomtune_gradio.flower.link.given import ErrorReply
from blossomtune_gradio.plain_text import one_line

_SHOWN = 12  # lines of evidence
_TOLD = 3  # sentences; the evidence has the others
_EACH = "The evidence has each site's error; the sites' own logs have the traceback."


@dataclass(frozen=True)
class SiteFailures:
    """The error replies of one run; not for a run without any."""

    causes: tuple[Diagnosis, ...]
    """One for each different reason, with all the sites that gave it."""
    evidence: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The first causes, one after the other."""
        told = list(dict.fromkeys(cause.sentence for cause in self.causes))
        more = f" And {len(told) - _TOLD} more, see the evidence." if len(told) > _TOLD else ""
        return " ".join(told[:_TOLD]) + more

    @property
    def code(self) -> str:
        """That of all causes, "" when they differ or have nothing in common but to be unnamed."""
        codes = {cause.code for cause in self.causes}
        return (
            codes.pop()
            if len(codes) == 1 and (len(self.causes) == 1 or UNNAMED not in codes)
            else ""
        )

    @property
    def advice(self) -> str:
        """What to do about them."""
        advices = {cause.advice for cause in self.causes}
        return advices.pop() if len(advices) == 1 else _EACH


def site_failures(
    errors: Sequence[ErrorReply], who: Callable[[int], Who], reads: AppReads
) -> SiteFailures:
    """Gather what sites answered; `who` names the site behind a node id."""
    by_reason: dict[str, dict[str, Who]] = {}
    for error in errors:
        site = who(error.node_id)
        by_reason.setdefault(error.reason, {})[site.name] = site
    causes = tuple(
        diagnose(_all_of(sites), reason, reads=reads) for reason, sites in by_reason.items()
    )
    shown = [f"{who(error.node_id).name}: {one_line(spoken(error.reason))}" for error in errors]
    return SiteFailures(causes, tuple(dict.fromkeys(shown))[-_SHOWN:])


def _all_of(sites: dict[str, Who]) -> Who:
    return together(sorted(sites)) if len(sites) > 1 else next(iter(sites.values()))
