"""What a run waits for, as a card."""

from __future__ import annotations

from typing import Annotated

from blossomtune_gradio.services.runs.watching.waiting import Wait, WaitedFor
from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.views.base import From, Moment, View
from blossomtune_gradio.views.site import PRESENCE


class WaitSite(View):
    """A site it waits for, and when that was last seen, or asked."""

    name: str
    what: Annotated[str, From(lambda site: _what(site))]
    seen: Annotated[Moment, From("since")]
    failed: str


class WaitView(View):
    """One card; see `waiting`."""

    code: str
    sentence: str
    short: str
    sites: Annotated[list[WaitSite], From(lambda wait: [WaitSite.of(one) for one in wait.sites])]
    deadline: Moment
    then: str
    late: bool


def wait_view(wait: Wait | None) -> WaitView | None:
    """The card, where there is one."""
    return WaitView.of(wait) if wait else None


def _what(site: WaitedFor) -> str:
    return PRESENCE[site.state].text if isinstance(site.state, Presence) else site.state.value
