"""The room of what is sent: mails, webhooks, and who wants to be told of runs."""

from __future__ import annotations

from contextlib import ExitStack

from sqlalchemy.orm import Session

from blossomtune_gradio.application.ground import Ground
from blossomtune_gradio.services.notices.mail_templates import Templates
from blossomtune_gradio.services.notices.mailer import Mailer, postman
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.notices.webhook_address import AddressGuard
from blossomtune_gradio.services.notices.webhooks import WebhookService
from blossomtune_gradio.services.people.accounts import AccountService
from blossomtune_gradio.services.runs.alerts import AlertService


class Notices:
    """Built first of the rooms: all others put something into the outbox."""

    def __init__(self, ground: Ground, accounts: AccountService) -> None:
        settings, database = ground.settings, ground.database
        self._settings, self._accounts = settings, accounts
        post = postman(settings)
        self.mailer = Mailer(database, post)
        ground.loops.add(self.mailer.loop)
        self.outbox = Outbox(
            database,
            Templates(settings.mail_templates_dir),
            admins=self._addresses_of_admins,
            delivers=post is not None,
            readable=post is None or settings.is_local,
            page=settings.public_url,
        )
        self.outbox.on_new, self.outbox.on_hurry = self.mailer.wake, self.mailer.hurry
        self.webhooks = WebhookService(
            database, ground.logs, AddressGuard(settings.webhook_networks)
        )
        self.alerts = AlertService(database, self.outbox, self.webhooks)

    def open(self) -> None:
        """Begin to send."""
        self.mailer.open()
        self.webhooks.open()

    def close(self) -> None:
        """Send no more; what waits is sent after the next start."""
        with ExitStack() as last:
            last.callback(self.webhooks.close)
            last.callback(self.mailer.close)

    @property
    def warning(self) -> str:
        """What admins must know about mail, as a sentence, or ""."""
        if self.outbox.delivers or self._settings.is_local:
            return ""
        return (
            "People sign in here, but no mail server is set up: an admin has to pass each code on "
            "by hand, so it proves little. Set BLOSSOMTUNE_SMTP_URL and BLOSSOMTUNE_MAIL_FROM."
        )

    def _addresses_of_admins(self, session: Session) -> list[str]:
        named = sorted(self._settings.admin_emails)
        return [*named, *self._accounts.addresses_of_admins(session)]
