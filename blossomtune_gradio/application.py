"""Builds the parts, hands them out, opens and closes them in order.

The one owner object: whoever needs a service is given the application or that service. Tests build
their own with `Application(Settings(data_dir=tmp_path), environment)`. Surprise: the fleet
listener's port is told before `open()`, because a free port is only known once it is bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from types import MappingProxyType

from filelock import FileLock, Timeout
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.flower.link import commands
from blossomtune_gradio.flower.link.messages import OpenMessage
from blossomtune_gradio.identity import SYSTEM
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.apps import AppService
from blossomtune_gradio.services.audit.refusals import Refusals
from blossomtune_gradio.services.audit.trail import AuditLog
from blossomtune_gradio.services.entrances import Entrances
from blossomtune_gradio.services.federation import FederationService
from blossomtune_gradio.services.notices.mail_templates import Templates
from blossomtune_gradio.services.notices.mailer import Mailer, postman
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.notices.webhook_address import AddressGuard
from blossomtune_gradio.services.notices.webhooks import WebhookService
from blossomtune_gradio.services.options import Options
from blossomtune_gradio.services.overview import Overview
from blossomtune_gradio.services.people.accounts import AccountService
from blossomtune_gradio.services.people.limits import Limits
from blossomtune_gradio.services.people.participants import ParticipantService
from blossomtune_gradio.services.people.tokens import TokenService
from blossomtune_gradio.services.review.decisions import Decisions
from blossomtune_gradio.services.review.directory import Directory
from blossomtune_gradio.services.rights import mend
from blossomtune_gradio.services.runs.alerts import AlertService
from blossomtune_gradio.services.runs.asking.history import RunHistory
from blossomtune_gradio.services.runs.asking.presets import PresetService
from blossomtune_gradio.services.runs.asking.service import RunService
from blossomtune_gradio.services.runs.book import RunBook
from blossomtune_gradio.services.runs.carrying.results import ResultService
from blossomtune_gradio.services.runs.carrying.tools import Tools
from blossomtune_gradio.services.runs.metrics import MetricService
from blossomtune_gradio.services.runs.queue.runner import Runner
from blossomtune_gradio.services.runtimes.deployed import DeployedRuntime
from blossomtune_gradio.services.runtimes.ends import ProgramEnds
from blossomtune_gradio.services.runtimes.known import Runtimes
from blossomtune_gradio.services.runtimes.programs import work_folder
from blossomtune_gradio.services.runtimes.runtime import Runtime
from blossomtune_gradio.services.runtimes.superlink import SuperLink
from blossomtune_gradio.services.sites.forgeries import Forgeries
from blossomtune_gradio.services.sites.handover import Handover
from blossomtune_gradio.services.sites.kits import KitService
from blossomtune_gradio.services.sites.lacks import SiteLacks
from blossomtune_gradio.services.sites.reports import SiteReports
from blossomtune_gradio.services.sites.service import SiteService
from blossomtune_gradio.services.sites.traffic import Traffic
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.later import Later
from blossomtune_gradio.tls import ensure_server_credentials

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
        self.settings = settings
        post = postman(settings)
        self.fleet_port = settings.fleet_port
        self._lock = _own_folder(settings)
        mended = mend(settings)
        home = settings.data_dir / "flower"
        commands.prepare_home(home)
        environment = commands.child_environment(home, path=path)
        of_apps = commands.child_environment(home, app_variables, path=path)
        self.credentials = ensure_server_credentials(
            settings.data_dir / "certificates", [settings.fleet_name]
        )
        self.entrances = Entrances(settings, self.credentials.ca_cert, lambda: self.fleet_port)
        self.database = Database(settings.database)
        self.audit = AuditLog(self.database, settings.data_dir)
        self.logs = LogStore(settings.data_dir / "logs")
        self.logs.append("blossomtune", mended)
        self.later = Later(self.database, self._tell)
        self.refusals = Refusals(self.later, self._tell)
        self.apps = AppService(settings.flower_apps_dir, self.database)
        self.accounts = AccountService(self.database, settings, self._tell, self.later)
        self.options = Options(self.database, settings)
        self.mailer = Mailer(self.database, post, self._tell)
        self.outbox = Outbox(
            self.database,
            Templates(settings.mail_templates_dir, self._tell),
            admins=self._addresses_of_admins,
            delivers=post is not None,
            readable=post is None or settings.is_local,
            page=settings.public_url,
        )
        self.outbox.on_new, self.outbox.on_hurry = self.mailer.wake, self.mailer.hurry
        self.metrics = MetricService(self.database)
        self.results = ResultService(self.database, work_folder(home))
        ends = ProgramEnds(self.audit, self.database, settings.data_dir / "processes")
        self.superlink = SuperLink(
            settings, self.logs, self.credentials, (environment, of_apps), ends, self._wake
        )
        self.federation = FederationService(self.options, self.logs, self.superlink)
        self.webhooks = WebhookService(
            self.database, self.logs, AddressGuard(settings.webhook_networks)
        )
        self.alerts = AlertService(self.database, self.outbox, self.webhooks)
        self.traffic = Traffic()
        self.sites = SiteService(
            self.database,
            lambda: self.superlink.control,
            self.logs,
            self.outbox,
            self.traffic,
            timedelta(minutes=settings.site_lost_minutes),
            self.alerts.site_lost,
        )
        self._book = book = RunBook(self.database, self.logs, self.alerts)
        deployed = DeployedRuntime(
            self.superlink, ends, lambda: self.sites.sites(SYSTEM), settings.run_slots
        )
        self.runtimes = Runtimes(deployed, *more_runtimes)
        self.handover = Handover(self.superlink.messages, self._tell_of_work)
        self.forgeries = Forgeries(self.database, self._tell)
        self._runner = Runner(self._run_tools(book))
        self.runs = RunService(book, self.options, self.apps, self._runner)
        self.history = RunHistory(
            self.database, self.logs, settings.data_dir / "runs", self.results
        )
        self.presets = PresetService(self.database, self.apps)
        self.participants = ParticipantService(
            self.database,
            settings,
            self.options,
            self.outbox,
            self._wake,
            refusals=self.refusals,
        )
        self.decisions = Decisions(self.participants)
        self.directory = Directory(self.database, self.options, self.sites)
        self.tokens = TokenService(self.database, self.accounts.role_of, self.later)
        self.limits = Limits()
        self.kits = KitService(
            self.database,
            settings,
            self.options,
            self.outbox,
            self.entrances,
            self._wake,
            self.limits,
        )
        self.site_reports = SiteReports(self.database, self.limits)
        self.site_lacks = SiteLacks(self.sites, self.site_reports)
        self.overview = Overview(self.runtimes, self.sites, self.runs, self.metrics)

    def open(self) -> None:
        """Take over what still runs and go on with it."""
        self.audit.open()
        self.later.open()
        self.federation.open()
        self.sites.open()
        self._runner.open()
        self.mailer.open()
        for warning in filter(None, (self.mail_warning, *self.entrances.warnings)):
            self._tell(f"WARNING: {warning}")
        self.webhooks.open()

    def close(self) -> None:
        """End what was started here; a second call does nothing."""
        if not self._lock.is_locked:
            return
        with ExitStack() as last:  # in reverse; what fails to end keeps nothing else from ending
            last.callback(self._lock.release)
            last.callback(self.database.close)
            last.callback(self.audit.close)
            last.callback(self.later.close)
            last.callback(self.refusals.close)
            last.callback(self.federation.close)
            last.callback(self.sites.close)
            last.callback(self.webhooks.close)
            last.callback(self._runner.close)
            last.callback(self.mailer.close)

    def fleet_address(self) -> str:
        """host:port under which SuperNodes reach the TLS listener."""
        return self.entrances.fleet.address

    @property
    def mail_warning(self) -> str:
        """What admins must know about mail, as a sentence, or ""."""
        if self.outbox.delivers or self.settings.is_local:
            return ""
        return (
            "People sign in here, but no mail server is set up: an admin has to pass each code on "
            "by hand, so it proves little. Set BLOSSOMTUNE_SMTP_URL and BLOSSOMTUNE_MAIL_FROM."
        )

    def _addresses_of_admins(self, session: Session) -> list[str]:
        return [*sorted(self.settings.admin_emails), *self.accounts.addresses_of_admins(session)]

    def _tell(self, sentence: str) -> None:
        self.logs.append("blossomtune", [sentence])

    def _tell_of_work(self, sentence: str, message: OpenMessage | None) -> None:
        if message is None:
            self._tell(f"ERROR: {sentence}")
        else:
            self._book.lost_work(sentence, message.run_id)

    def _run_tools(self, book: RunBook) -> Tools:
        return Tools(
            book=book,
            apps=self.apps,
            runtimes=self.runtimes,
            metrics=self.metrics,
            results=self.results,
            logs=self.logs,
            folder=self.settings.data_dir / "runs",
            records=self.settings.data_dir / "processes",
        )

    def _wake(self) -> None:
        """Something changed that others may wait for."""
        self.sites.wake()
        self._runner.wake()


def _own_folder(settings: Settings) -> FileLock:
    """Make the data directory ours alone, until the lock is released or we die."""
    folder = settings.data_dir
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise SettingsError(
            f"Another BlossomTune is using {folder}. End it first, or set BLOSSOMTUNE_DATA_DIR to "
            "another folder."
        ) from None
    except OSError as error:
        raise SettingsError(
            f"BLOSSOMTUNE_DATA_DIR is {folder}, but nothing can be written there "
            f"({error.strerror}). Name a folder of yours, or correct its rights."
        ) from error
    return lock
