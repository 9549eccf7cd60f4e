"""Where somebody stands on the way to a connected site, in words. Pure.

Six steps; of each stage: which step it is, whose turn, what it means and what comes next. The
state itself is the participant's row and Flower's word for the site; nothing is kept here.
"""

from __future__ import annotations

from dataclasses import dataclass

from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.services.sites.service import Site
from blossomtune_gradio.store.models import Participant
from blossomtune_gradio.store.models import ParticipantStatus as Status

STEPS = (
    "Sign in",
    "Ask",
    "Prove your e-mail",
    "An admin decides",
    "Get your kit",
    "Connected",
)
_YOU, _ADMIN, _SITE, _NOBODY = "Your turn", "An admin's turn", "Your site's turn", "All done"


@dataclass(frozen=True)
class JoinStage:
    """What the page says of one moment of the way."""

    name: str
    step: int  # index in STEPS
    turn: str
    title: str
    lead: str
    next: str = ""
    tone: str = "busy"  # of the turn: good, busy, bad, off
    ended: bool = False  # the way ends here unless they ask again
    all_done: bool = False


def stage_of(
    signed_in: bool, mine: Participant | None, site: Site | None, *, delivers: bool = True
) -> JoinStage:
    """The stage of a visitor; `mine` is their own request, `site` how Flower sees their site.

    `delivers`: there is a mail server; without one nothing is said of mails.
    """
    if not signed_in:
        return _SIGN_IN
    if mine is None:
        return _ASK
    if mine.status is Status.APPROVED:
        return _approved(mine, site)
    if mine.status is Status.REQUESTED and not delivers:
        return _PROVE_WITHOUT_MAIL
    return _BEFORE[mine.status]


def _approved(mine: Participant, site: Site | None) -> JoinStage:
    presence = site.presence if site else Presence.NO_KEY
    if presence is Presence.NO_KEY:
        return JoinStage(
            "kit",
            4,
            _YOU,
            "Get your kit",
            f"{mine.decided_name or 'An admin'} approved {mine.site}.",
            "Your site shows up here as soon as it connects.",
        )
    return _SITE_STAGES.get(presence, _SITE_STAGES[Presence.UNKNOWN])


_SIGN_IN = JoinStage(
    "sign-in",
    0,
    _YOU,
    "Bring your site into the federation",
    "Sign in first, so that your request is yours and nobody else can act for you.",
    "You ask for access; that takes two minutes.",
)
_ASK = JoinStage(
    "ask",
    1,
    _YOU,
    "Ask for access",
    "Tell the admins who you are and what your site brings.",
    "A code is mailed to you, to prove that the address is yours.",
)
_PROVE_WITHOUT_MAIL = JoinStage(
    "prove",
    2,
    _YOU,
    "Prove your e-mail address",
    "No mail server is set up here, so an admin passes the code on to you.",
    "An admin decides. Look in here now and then: no mail tells you.",
)
_BEFORE = {
    Status.REQUESTED: JoinStage(
        "prove",
        2,
        _YOU,
        "Prove your e-mail address",
        "A code is on its way to you. Type it here.",
        "An admin decides. You are told by mail, so you need not wait here.",
    ),
    Status.CONFIRMED: JoinStage(
        "wait",
        3,
        _ADMIN,
        "An admin decides",
        "Your address is proven and the admins see your request. You can close this page.",
        "You get a mail. Once approved, your kit is here.",
    ),
    Status.DENIED: JoinStage(
        "denied",
        3,
        _YOU,
        "Your request was denied",
        "Read the reason; when it no longer holds, ask again.",
        tone="bad",
        ended=True,
    ),
    Status.REVOKED: JoinStage(
        "revoked",
        5,
        _YOU,
        "Your access was revoked",
        "Your site is cut off and its key will not be taken again. You can ask for new access.",
        tone="bad",
        ended=True,
    ),
    Status.WITHDRAWN: JoinStage(
        "withdrawn",
        1,
        _YOU,
        "You withdrew your request",
        "Nothing of yours is waiting. You can ask again at any time.",
        tone="off",
        ended=True,
    ),
}
_SITE_STAGES = {
    Presence.ONLINE: JoinStage(
        "online",
        5,
        _NOBODY,
        "Your site is connected",
        "Leave join.py running: runs reach your site by themselves.",
        tone="good",
        all_done=True,
    ),
    Presence.OFFLINE: JoinStage(
        "offline",
        5,
        _YOU,
        "Your site is offline",
        "The federation does not hear from it. Runs go on without it.",
        "Once join.py runs again, the site is back within a minute, with the same key.",
        tone="bad",
    ),
    Presence.REGISTERED: JoinStage(
        "connect",
        5,
        _SITE,
        "Waiting for your site",
        "Its key is registered. The site itself has not been seen yet.",
        "It shows up here within seconds of its start.",
    ),
    Presence.UNKNOWN: JoinStage(
        "paused",
        5,
        _ADMIN,
        "The federation is paused",
        "The SuperLink, which all sites connect to, does not run. An admin starts it.",
        "Leave join.py running: it connects by itself.",
    ),
}
