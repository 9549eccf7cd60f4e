"""How a site looks from outside, and what people read of its connection."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import Field

from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.views.base import From, Moment, Tone, View, Word

PRESENCE: Mapping[Presence, Word] = {
    Presence.ONLINE: Word("online", "good"),
    Presence.OFFLINE: Word("offline", "bad"),
    Presence.REGISTERED: Word("never seen", "off"),
    Presence.NO_KEY: Word("kit not used yet", "off"),
    Presence.UNKNOWN: Word("SuperLink is off", "off"),
}


class SiteView(View):
    """One approved site, for programs."""

    id: Annotated[int, From("participant_id")] = Field(description="Number of its request")
    name: str
    partition: Annotated[int, From("partition_id")]
    presence: str = Field(description="online, offline, registered, no key or unknown")
    node_id: str
    last_seen: datetime | None


class SiteLamp(View):
    """The same on the Live page."""

    name: str
    partition: Annotated[int, From("partition_id")]
    presence: Annotated[str, From(lambda site: PRESENCE[site.presence].text)]
    tone: Annotated[Tone, From(lambda site: PRESENCE[site.presence].tone)]
    last_seen: Moment
