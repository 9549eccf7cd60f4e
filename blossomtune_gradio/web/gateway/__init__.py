"""The gateway: the one way in for SuperNodes, and the only thing of Flower that is public.

Of all paths of the SuperLink only `POST /v1/fleet/*` passes, streamed both ways. Who may talk is
decided behind us: the SuperLink checks each request's signature. We check form, size and pace
(`admission`), and that a reply comes from the site that it names (`exchange`).
Surprise: we never answer 401, 403 or 429. A SuperNode takes 401 for "revoked" and ends itself,
403 for "the run is over", and gives up on 429; 502, 503 and 504 it retries with back-off.
"""

from blossomtune_gradio.web.gateway.admission import FleetGateway
from blossomtune_gradio.web.gateway.entrance import fleet_app
from blossomtune_gradio.web.gateway.exchange import ASKING, TAKING_WORK
from blossomtune_gradio.web.gateway.request import JOIN_PATH, REPORT_PATH

__all__ = ["ASKING", "JOIN_PATH", "REPORT_PATH", "TAKING_WORK", "FleetGateway", "fleet_app"]
