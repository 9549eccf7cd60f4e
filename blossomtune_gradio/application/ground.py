"""What all rooms of the application stand on: the folder, the database, the trail, the logs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from filelock import FileLock, Timeout

from blossomtune_gradio.application.signal import Signal
from blossomtune_gradio.background import Loops
from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.flower.link import commands
from blossomtune_gradio.logs import LogStore, OperatorLog
from blossomtune_gradio.services.apps import AppService
from blossomtune_gradio.services.audit.trail import AuditLog
from blossomtune_gradio.services.options import Options
from blossomtune_gradio.services.rights import mend
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.later import Later
from blossomtune_gradio.tls import ensure_server_credentials


class Ground:
    """The first to be opened and the last to be closed."""

    def __init__(self, settings: Settings, path: str, app_variables: Mapping[str, str]) -> None:
        """Take the data directory. Raises SettingsError, as `Application` does."""
        self.settings = settings
        self.lock = _own_folder(settings)
        mended = mend(settings)
        self.home = settings.data_dir / "flower"
        commands.prepare_home(self.home)
        self.environment = commands.child_environment(self.home, path=path)
        self.of_apps = commands.child_environment(self.home, app_variables, path=path)
        self.records = settings.data_dir / "processes"
        self.credentials = ensure_server_credentials(
            settings.data_dir / "certificates", [settings.fleet_name]
        )
        self.database = Database(settings.database)
        self.audit = AuditLog(self.database, settings.data_dir)
        self.logs = LogStore(settings.data_dir / "logs")
        self.logs.append("blossomtune", mended)
        self.loops = Loops()
        self._operator_log = OperatorLog(
            self.logs, settings.data_dir / "logs", self.loops.may_be_theirs
        )
        self.later = Later(self.database)
        self.loops.add(self.audit.loop, self.later.loop)
        self.options = Options(self.database, settings)
        self.apps = AppService(settings.flower_apps_dir, self.database)
        self.changed = Signal()
        """Of people, keys, sites, programs or runs: queue and sites look at once."""

    def open(self) -> None:
        """Begin to write."""
        self._operator_log.open()
        self.audit.open()
        self.later.open()

    def close(self) -> None:
        """Write the last of it and give the folder back."""
        with ExitStack() as last:  # in reverse; what fails to end keeps nothing else from ending
            last.callback(self.lock.release)
            last.callback(self._operator_log.close)
            last.callback(self.database.close)
            last.callback(self.audit.close)
            last.callback(self.later.close)


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
