"""The tables, and which change of state is legal.

The database holds what must never be false (unique names, partitions, keys); each class guards its
own moves. Times are UTC. Surprise: a run's or participant's *online* state is not here, because
Flower owns that fact.
"""

from blossomtune_gradio.store.models.alerts import (
    AlertKind,
    AlertWish,
    DeliveryStatus,
    RunWatch,
    Webhook,
    WebhookDelivery,
)
from blossomtune_gradio.store.models.audit import AuditEntry
from blossomtune_gradio.store.models.base import Base, now
from blossomtune_gradio.store.models.mail import Mail, MailStatus
from blossomtune_gradio.store.models.options import Option
from blossomtune_gradio.store.models.people import (
    LIVE,
    PARTICIPANT_MOVES,
    Account,
    NodeKey,
    Participant,
    ParticipantStatus,
    RolePin,
    SignIn,
    SiteReport,
    folded,
)
from blossomtune_gradio.store.models.run_states import RUN_MOVES, WISH_MOVES, RunStatus, Wish
from blossomtune_gradio.store.models.runs import (
    DEPLOYED,
    OUTSIDE,
    MetricPoint,
    Run,
    RunError,
    RunEvent,
    RunPreset,
    RunSite,
)
from blossomtune_gradio.store.models.tokens import ApiToken

__all__ = [
    "DEPLOYED",
    "LIVE",
    "OUTSIDE",
    "PARTICIPANT_MOVES",
    "RUN_MOVES",
    "WISH_MOVES",
    "Account",
    "AlertKind",
    "AlertWish",
    "ApiToken",
    "AuditEntry",
    "Base",
    "DeliveryStatus",
    "Mail",
    "MailStatus",
    "MetricPoint",
    "NodeKey",
    "Option",
    "Participant",
    "ParticipantStatus",
    "RolePin",
    "Run",
    "RunError",
    "RunEvent",
    "RunPreset",
    "RunSite",
    "RunStatus",
    "RunWatch",
    "SignIn",
    "SiteReport",
    "Webhook",
    "WebhookDelivery",
    "Wish",
    "folded",
    "now",
]
