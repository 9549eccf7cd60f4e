"""Work, or an answer, that got lost between SuperLink and site: nobody waits for it any longer.

The SuperLink (flwr 1.42) counts a message as delivered before it has sent it. If it dies then, or
the gateway, or the network, or the SuperNode fails to read it or to send its reply, nobody works on
it any more and the ServerApp waits for an answer until its own time is up: an hour, by default. And
of an answer that was announced but not sent it awaits the rest for three minutes. But a SuperNode
does one thing at a time. So one that asks for work has none and sends nothing: what the SuperLink
still counts as its work is lost and handed out again, what it still awaits never comes. The gateway
tells what passes; the database is asked only where something broke, never while all goes well.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from blossomtune_gradio.errors import FlowerError
from blossomtune_gradio.flower.link.messages import MessageBox, OpenMessage
from blossomtune_gradio.flower.link.replies import (
    ACTIVATE_PATH,
    OBJECT_PATH,
    PULL_PATH,
    PUSH_PATH,
)

MOST_TIMES = 3  # a message is handed out again; then the site is taken to be unable to answer it
Tell = Callable[[str, OpenMessage | None], None]
"""Takes a sentence, and the message that it is about."""
_MAX_KEYS = 100_000
_MAX_ANSWERS = 64  # of one key, the newest
_ACTIVATE, _PULL = ACTIVATE_PATH.encode(), PULL_PATH.encode()
_PUSH, _OBJECT = PUSH_PATH.encode(), OBJECT_PATH.encode()


@dataclass
class _Site:
    busy: bool = False  # has work that it did not answer
    sure: bool = False  # nothing of it can be lost
    was_sure: bool = False  # when its request set out
    answers: tuple[str, ...] = ()  # that it announced
    pieces: int = 0  # of the last one that it has still to send


@dataclass(frozen=True)
class Doubt:
    """Something of a site may be lost: what it did until a moment in which it was idle."""

    key: bytes
    answers: tuple[str, ...]
    until: datetime


class Handover:
    """What each key owes. All but `look` belongs to the gateway's own thread."""

    def __init__(self, box: MessageBox, tell: Tell) -> None:
        self._box, self._tell = box, tell
        self._sites: dict[bytes, _Site] = {}
        self._times: Counter[str] = Counter()
        self._trouble = ""

    def begin(self, path: bytes, key: bytes) -> None:
        """A request sets out. Anybody may claim a key here: at worst we look once in vain."""
        site = self._sites.get(key)
        if site is not None and path in (_PULL, _PUSH):
            owes = path == _PULL and site.busy
            site.was_sure, site.sure = site.sure and not owes, False

    def end(
        self, path: bytes, key: bytes, sent: int, answer: str = "", pieces: int = 0
    ) -> Doubt | None:
        """The SuperLink answered well, so the key is the asker's; what to `look` into now.

        `sent` in bytes: the answer to one who asks for work is empty when there is none, and the
        one to a piece that nobody awaits. `answer` is the object that holds the reply which the
        request announced, and of which so many `pieces` are to follow.
        """
        site = self._sites.get(key)
        if site is None:
            if len(self._sites) >= _MAX_KEYS:
                return None
            site = self._sites[key] = _Site()
        if path == _PUSH:
            site.sure, site.busy, site.pieces = site.was_sure, False, pieces
            if answer and answer not in site.answers:
                site.answers = (*site.answers, answer)[-_MAX_ANSWERS:]
        elif path == _PULL:
            site.sure, site.busy = site.was_sure, sent > 0
        elif path == _OBJECT and sent:
            site.pieces = max(0, site.pieces - 1)
        idle = path == _PULL and not site.busy
        anew = path == _ACTIVATE and bool(site.answers)  # so its last session is over
        if anew or (idle and (site.pieces or not site.sure)):
            return Doubt(key, site.answers, datetime.now(UTC))
        return None

    def look(self, doubt: Doubt) -> None:
        """Set right what a site should have worked on, or sent, and has not. Blocks a moment."""
        try:
            public_key = base64.b64decode(doubt.key, validate=True)
            lost = self._box.taken_by(public_key, doubt.until)
            again = [m for m in lost if self._times[m.message_id] < MOST_TIMES]
            never = [m for m in lost if self._times[m.message_id] >= MOST_TIMES]
            self._box.end_pushes(doubt.answers)
            self._box.hand_out_again(message.message_id for message in again)
            self._box.withdraw(message.message_id for message in never)
        except binascii.Error:
            return  # the SuperLink took a key that we cannot read: nobody of ours
        except FlowerError as error:  # asked again with the next request
            self._say_once(f"Whether work of a site got lost is not known. {error}")
            return
        self._times.update(message.message_id for message in again)
        site, self._trouble = self._sites[doubt.key], ""
        site.sure, site.pieces = not again, 0
        for message in again:
            self._tell(f"{_name(message)} lost work on the way; it is handed out again.", message)
        for message in never:
            self._tell(
                f"{_name(message)} got the same work {MOST_TIMES + 1} times and never answered. "
                "The round goes on without it.",
                message,
            )

    def _say_once(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._tell(trouble, None)
        self._trouble = trouble


def _name(message: OpenMessage) -> str:
    return message.site or "A site"
