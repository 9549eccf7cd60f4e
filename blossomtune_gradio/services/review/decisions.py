"""Several decisions at once: approve, deny, revoke many participants with one click.

Each is a transaction of its own: what cannot be done for one keeps no other waiting, and is told
with its own sentence. Surprise: the order is the caller's, so the first chosen gets the lowest free
partition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blossomtune_gradio.errors import BlossomError, InvalidInput
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.services.people.participants import ParticipantService
from blossomtune_gradio.store.models import Participant

MOST = 500  # at once


@dataclass(frozen=True)
class Refusal:
    """One participant for whom it could not be done, and why."""

    participant_id: int
    sentence: str


@dataclass(frozen=True)
class Decided:
    """What came of a decision about several."""

    done: list[Participant]
    refused: list[Refusal]


class Decisions:
    """The three decisions of an admin, for one or many."""

    def __init__(self, participants: ParticipantService) -> None:
        self._participants = participants

    def approve(self, ids: Sequence[int], by: User, partition_id: int | None = None) -> Decided:
        """Approve each; a partition can only be chosen for a single one.

        Raises:
            InvalidInput: nobody or too many were chosen, or a partition for several.
        """
        require(by, Role.ADMIN, "approve participants")
        if partition_id is not None and len(ids) != 1:
            raise InvalidInput("A partition can be chosen for one site at a time.")
        return self._each(ids, lambda one: self._participants.approve(one, by, partition_id))

    def deny(self, ids: Sequence[int], by: User, reason: str) -> Decided:
        """Refuse each request; everybody reads the reason."""
        require(by, Role.ADMIN, "deny or revoke participants")
        return self._each(ids, lambda one: self._participants.deny(one, by, reason))

    def revoke(self, ids: Sequence[int], by: User, reason: str) -> Decided:
        """Cut each off; everybody reads the reason."""
        require(by, Role.ADMIN, "deny or revoke participants")
        return self._each(ids, lambda one: self._participants.revoke(one, by, reason))

    def _each(self, ids: Sequence[int], decide: Callable[[int], Participant]) -> Decided:
        chosen = list(dict.fromkeys(ids))
        if not 1 <= len(chosen) <= MOST:
            raise InvalidInput(f"Choose between 1 and {MOST} participants.")
        decided = Decided([], [])
        for one in chosen:
            try:
                decided.done.append(decide(one))
            except BlossomError as error:
                decided.refused.append(Refusal(one, str(error)))
        return decided
