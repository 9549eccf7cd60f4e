"""The replies that sites announce: looked at before the SuperLink gets them, counted once it did.

A round taken part in is a good reply that the SuperLink took, to a question to train, as the
SuperLink's own record of the question has it. Whatever is announced more than once counts once, and
not without end: each announcement has the ServerApp wait for its rest for three minutes anew.
"""

from __future__ import annotations

from collections import OrderedDict

from blossomtune_gradio.flower.link.messages import MessageBox
from blossomtune_gradio.flower.link.replies import Forged, Reply, read

MOST_TIMES = 5
"""A SuperNode announces its reply again only if the answer got lost on the way."""
_REMEMBERED = 50_000  # questions; only what was really asked gets here


class Announcements:
    """What was announced. `examine` blocks a moment; `taken` belongs to the gateway's thread."""

    def __init__(self, box: MessageBox | None = None) -> None:
        """Without the SuperLink's `box` no question is known, so nothing counts as a round."""
        self._box = box
        self._times: OrderedDict[str, int] = OrderedDict()

    def examine(self, body: bytes) -> tuple[Reply, str]:
        """The reply in a request, and what its question asks for. Raises Forged."""
        reply = read(body)
        if self._times.get(reply.question, 0) >= MOST_TIMES:
            raise Forged(f"the reply was announced {MOST_TIMES} times and never sent")
        return reply, (self._box.kind_of(reply.question) if self._box else None) or ""

    def taken(self, reply: Reply, kind: str) -> int:
        """The SuperLink took the reply; how many rounds that is: 1 or 0."""
        times = self._times[reply.question] = self._times.get(reply.question, 0) + 1
        if len(self._times) > _REMEMBERED:
            self._times.popitem(last=False)
        return int(times == 1 and reply.error is None and kind.split(".")[0] == "train")
