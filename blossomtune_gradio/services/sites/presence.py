"""How a site is seen: Flower's words for a node, and ours for what Flower cannot know."""

from __future__ import annotations

from enum import StrEnum


class Presence(StrEnum):
    """What is known of an approved site's connection. Any other word of Flower's is UNKNOWN."""

    ONLINE = "online"
    OFFLINE = "offline"
    REGISTERED = "registered"  # Flower knows its key and has never heard of it
    NO_KEY = "no key"  # it has not handed in a key, so its kit was not used yet
    UNKNOWN = "unknown"  # Flower cannot be asked

    @classmethod
    def _missing_(cls, value: object) -> Presence:  # noqa: ARG003 - whatever it is
        return cls.UNKNOWN
