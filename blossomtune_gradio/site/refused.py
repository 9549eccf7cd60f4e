"""Flower does not let this site in: for how long that may be, and what is said of it."""

from __future__ import annotations

from .programs import Child
from .words import REFUSED, Problem

STILL_ONLINE_SECONDS = 180  # longer than that is another fault; starting takes its time, too


def is_refused(node: Child) -> bool:
    """Flower did not let the node in: its key is unknown, or its last session counts as alive."""
    return node.said("code: 2004") or node.said("code: 2001")


def still_refused(seconds: float) -> None:
    """Raises Problem when Flower has been refusing the node for too long."""
    if seconds > STILL_ONLINE_SECONDS:
        raise Problem(
            f"Flower has refused this site for {STILL_ONLINE_SECONDS} s.",
            "If the same site.key is in use on another machine, stop it there; else ask the admin.",
            REFUSED,
        )


def why(node: Child) -> str:
    if is_refused(node):
        return "Flower still counts the last session as online; it lets go within 60 s"
    return "told to by the server" if node.code == 0 else f"exit code {node.code}, see above"
