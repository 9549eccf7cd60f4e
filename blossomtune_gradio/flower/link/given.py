"""The replies that a ServerApp was given, from the events that its process had the SuperLink keep.

Good ones come many to an event, errors one by one (`server_process`). Limit: an event holds at most
some hundred replies, and a look takes 1000 events, so whoever reads on goes by `number`. Surprise:
an event may be there twice, as a request whose answer got lost is made again; a reply is told apart
by the question that it answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from blossomtune_gradio.flower.link.server_process import ERROR, REPLIES

_ALL = 2**64
_LONGEST_ID = 200  # characters


@dataclass(frozen=True)
class ErrorReply:
    """An error that the ServerApp was given for an answer."""

    number: int
    """Later ones are higher."""
    message_id: str
    """Of the question."""
    node_id: int
    """The site that was asked; 1 if that is not known."""
    reason: str
    """In the words of the site, with their line breaks; of Flower, if the site did not answer."""
    by_site: bool


@dataclass(frozen=True)
class Given:
    """What a ServerApp was given since an earlier look."""

    number: int
    """Of the newest event; that of the earlier look if there was none since."""
    whole: bool = False
    """The process tells of every reply, so one that is not told of was not given."""
    good: list[tuple[str, int]] = field(default_factory=list)
    """Question and the site that was asked."""
    errors: list[ErrorReply] = field(default_factory=list)


def read(events: Iterable[tuple[int, str, str]], after: int) -> Given:
    """From number, kind and data of events, oldest first. What nobody of ours wrote is left out."""
    number, whole = after, False
    good: list[tuple[str, int]] = []
    errors: list[ErrorReply] = []
    for number, kind, data in events:
        try:
            told = json.loads(data)
            if kind == REPLIES:
                good += [
                    (str(name)[:_LONGEST_ID], int(node) % _ALL) for name, node in told["replies"]
                ]
                whole = True
            elif kind == ERROR:
                errors.append(_error(number, told))
        except (ValueError, TypeError, KeyError):
            continue
    return Given(number, whole, good, errors)


def _error(number: int, told: dict[str, str]) -> ErrorReply:
    return ErrorReply(
        number=number,
        message_id=str(told["message"])[:_LONGEST_ID],
        node_id=int(told["node"]) % _ALL,
        reason=str(told["reason"]) or "no reason given",
        by_site=told["by"] == "site",
    )
