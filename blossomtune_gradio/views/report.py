"""What a site's own checks found, as its owner and the admins read it."""

from __future__ import annotations

from typing import Annotated

from pydantic import computed_field

from blossomtune_gradio.store.models import SiteReport
from blossomtune_gradio.views.base import From, Moment, Tone, View

_TONES: dict[str, Tone] = {"PASS": "good", "WARN": "busy", "FAIL": "bad"}
_MOST_CHECKS = 50


class CheckView(View):
    """One check; `state` is PASS, WARN, FAIL or SKIP."""

    name: str = ""
    state: str = ""
    ok: bool = False
    sentence: str = ""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tone(self) -> Tone:
        """Of its state."""
        return _TONES.get(self.state, "off")


class ReportView(View):
    """The newest checks of a site."""

    at: Moment
    good: bool
    checks: Annotated[list[CheckView], From(lambda row: _checks(row))]


def _checks(row: SiteReport) -> list[CheckView]:
    """What was kept by an older version need not have the shape of today's."""
    kept = row.report.get("checks")
    told = [one for one in kept if isinstance(one, dict)] if isinstance(kept, list) else []
    return [CheckView.model_validate(one) for one in told[:_MOST_CHECKS]]
