"""The room of people: who asks for access, who decides, who has a token."""

from __future__ import annotations

from blossomtune_gradio.application.ground import Ground
from blossomtune_gradio.application.notices import Notices
from blossomtune_gradio.services.audit.refusals import Refusals
from blossomtune_gradio.services.people.accounts import AccountService
from blossomtune_gradio.services.people.limits import Limits
from blossomtune_gradio.services.people.participants import ParticipantService
from blossomtune_gradio.services.people.tokens import TokenService
from blossomtune_gradio.services.review.decisions import Decisions


class People:
    """Nothing here runs by itself but the writing down of refusals."""

    def __init__(self, ground: Ground, notices: Notices, accounts: AccountService) -> None:
        self.accounts = accounts
        self.limits = Limits()
        self.refusals = Refusals(ground.later)
        self.participants = ParticipantService(
            ground.database,
            ground.settings,
            ground.options,
            notices.outbox,
            ground.changed,
            refusals=self.refusals,
        )
        self.decisions = Decisions(self.participants)
        self.tokens = TokenService(ground.database, accounts.role_of, ground.later)

    def close(self) -> None:
        """Write down the last refusals."""
        self.refusals.close()
