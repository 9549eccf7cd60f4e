"""The room of sites: the SuperLink they come to, their kits and keys, and who is there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta

from blossomtune_gradio.application.ground import Ground
from blossomtune_gradio.application.notices import Notices
from blossomtune_gradio.application.people import People
from blossomtune_gradio.services.entrances import Entrances
from blossomtune_gradio.services.federation import FederationService
from blossomtune_gradio.services.runtimes.ends import ProgramEnds
from blossomtune_gradio.services.runtimes.superlink import SuperLink
from blossomtune_gradio.services.sites.forgeries import Forgeries
from blossomtune_gradio.services.sites.kits import KitService
from blossomtune_gradio.services.sites.lacks import SiteLacks
from blossomtune_gradio.services.sites.reports import SiteReports
from blossomtune_gradio.services.sites.service import SiteService
from blossomtune_gradio.services.sites.traffic import Traffic


class Sites:
    """Opens the SuperLink before anybody asks it."""

    def __init__(
        self, ground: Ground, notices: Notices, people: People, fleet_port: Callable[[], int]
    ) -> None:
        settings, database = ground.settings, ground.database
        self.entrances = Entrances(settings, ground.credentials.ca_cert, fleet_port)
        self.ends = ProgramEnds(ground.audit, database, ground.records)
        self.superlink = SuperLink(
            settings,
            ground.logs,
            ground.credentials,
            (ground.environment, ground.of_apps),
            self.ends,
            ground.changed,
        )
        self.federation = FederationService(ground.options, ground.logs, self.superlink)
        self.traffic = Traffic()
        self.sites = SiteService(
            database,
            lambda: self.superlink.control,
            ground.logs,
            notices.outbox,
            self.traffic,
            timedelta(minutes=settings.site_lost_minutes),
            notices.alerts.site_lost,
        )
        ground.loops.add(self.sites.loop, *self.superlink.loops)
        ground.changed.listen(self.sites.wake)
        self.forgeries = Forgeries(database)
        self.kits = KitService(
            database,
            settings,
            ground.options,
            notices.outbox,
            self.entrances,
            ground.changed,
            people.limits,
        )
        self.site_reports = SiteReports(database, people.limits)
        self.site_lacks = SiteLacks(self.sites, self.site_reports)

    def open(self) -> None:
        """Bring up what should be up, then watch who is there."""
        self.federation.open()
        self.sites.open()

    def close(self) -> None:
        """Watch no more, and end the programs."""
        with ExitStack() as last:
            last.callback(self.federation.close)
            last.callback(self.sites.close)
