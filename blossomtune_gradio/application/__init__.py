"""Builds the parts, hands them out, opens and closes them in order.

The one owner object: whoever needs a service is given the application or that service. Tests build
their own with `Application(Settings(data_dir=tmp_path), environment)`. The parts are built in
rooms, each on top of those before it; what happens in one and matters in others is a `Signal` of
the ground. Surprise: the fleet listener's port is told before `open()`, because a free port is only
known once it is bound.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType

from blossomtune_gradio.application.ground import Ground
from blossomtune_gradio.application.notices import Notices
from blossomtune_gradio.application.people import People
from blossomtune_gradio.application.runs import Runs
from blossomtune_gradio.application.sites import Sites
from blossomtune_gradio.services.overview import Overview
from blossomtune_gradio.services.people.accounts import AccountService
from blossomtune_gradio.services.review.directory import Directory
from blossomtune_gradio.services.runtimes.runtime import Runtime
from blossomtune_gradio.settings import Settings

_log = logging.getLogger(__name__)
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Application:
    """All parts of one BlossomTune, over one data directory."""

    def __init__(
        self,
        settings: Settings,
        path: str = "/usr/bin:/bin",
        app_variables: Mapping[str, str] = _NOTHING,
        more_runtimes: Sequence[Runtime] = (),
    ) -> None:
        """Build everything; nothing runs before `open()`.

        `path` is the search path of child programs, `app_variables` what ServerApps see as well,
        `more_runtimes` where runs can run besides the SuperLink of this machine.

        Raises:
            SettingsError: the data directory, the database or a certificate cannot be used.
        """
        self.settings, self.fleet_port = settings, settings.fleet_port
        self._ground = ground = Ground(settings, path, app_variables)
        accounts = AccountService(ground.database, settings, ground.later)
        self._notices = Notices(ground, accounts)
        self._people = People(ground, self._notices, accounts)
        self._sites = Sites(ground, self._notices, self._people, lambda: self.fleet_port)
        self._runs = Runs(ground, self._notices, self._sites, more_runtimes)
        self._hand_out()

    def _hand_out(self) -> None:
        """The parts by their names, whatever room they live in."""
        ground, notices, people = self._ground, self._notices, self._people
        self.database, self.audit, self.later = ground.database, ground.audit, ground.later
        self.logs, self.options, self.apps = ground.logs, ground.options, ground.apps
        self.credentials, self.loops = ground.credentials, ground.loops
        self.mailer, self.outbox = notices.mailer, notices.outbox
        self.webhooks, self.alerts = notices.webhooks, notices.alerts
        self.accounts, self.tokens, self.limits = people.accounts, people.tokens, people.limits
        self.participants, self.decisions = people.participants, people.decisions
        self.refusals = people.refusals
        sites, runs = self._sites, self._runs
        self.entrances, self.traffic, self.sites = sites.entrances, sites.traffic, sites.sites
        self.superlink, self.federation = sites.superlink, sites.federation
        self.forgeries, self.kits = sites.forgeries, sites.kits
        self.site_reports, self.site_lacks = sites.site_reports, sites.site_lacks
        self.runtimes, self.runs, self.history = runs.runtimes, runs.runs, runs.history
        self.presets, self.metrics, self.results = runs.presets, runs.metrics, runs.results
        self.handover = runs.handover
        self.directory = Directory(self.database, self.options, self.sites)
        self.overview = Overview(self.runtimes, self.sites, self.runs, self.metrics)

    def open(self) -> None:
        """Take over what still runs and go on with it."""
        self._ground.open()
        self._sites.open()
        self._runs.open()
        self._notices.open()
        for warning in filter(None, (self.mail_warning, *self.entrances.warnings)):
            _log.warning("%s", warning)

    def close(self) -> None:
        """End what was started here; a second call does nothing."""
        if not self._ground.lock.is_locked:
            return
        with ExitStack() as last:  # in reverse; what fails to end keeps nothing else from ending
            last.callback(self._ground.close)
            last.callback(self._people.close)
            last.callback(self._sites.close)
            last.callback(self._runs.close)
            last.callback(self._notices.close)

    def fleet_address(self) -> str:
        """host:port under which SuperNodes reach the TLS listener."""
        return self.entrances.fleet.address

    @property
    def mail_warning(self) -> str:
        """What admins must know about mail, as a sentence, or ""."""
        return self._notices.warning
