"""The Flower apps of this server, and new ones from the template."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from blossomtune_gradio.flower.apps.catalogue import AppCatalogue, FlowerApp
from blossomtune_gradio.flower.apps.template import new_app
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.store.database import Database

_MOST_TOLD = 20  # apps; sites look at no more


class AppService(AppCatalogue):
    """The catalogue, and who may add to it."""

    def __init__(self, folder: Path, database: Database) -> None:
        super().__init__(folder)
        self._database = database

    def asked_of_sites(self) -> list[dict[str, Any]]:
        """What each runnable app needs of a site: {"name", "modules", "install", "keys"}.

        `modules` are top-level names its ClientApp imports, `install` what to give to pip for them,
        `keys` those of `[node_config]`. For sites, so no rights are asked for.
        """
        runnable = [app for app in self.apps() if app.runnable]
        return [
            {
                "name": app.name,
                "modules": list(app.needs.modules),
                "install": list(app.needs.install),
                "keys": list(app.needs.keys),
            }
            for app in runnable[:_MOST_TOLD]
        ]

    def list(self, by: User) -> list[FlowerApp]:
        """All apps by name. Raises SettingsError when the folder cannot be read."""
        require(by, Role.RESEARCHER, "see the apps")
        return self.apps()

    def create(self, name: str, by: User, title: str = "") -> FlowerApp:
        """Make a working app from the template.

        Raises:
            InvalidInput: the name cannot be used.
            NotPossible: there is such an app already, or the folder cannot be written.
        """
        require(by, Role.RESEARCHER, "make an app")
        path = new_app(self.folder, name, title)
        try:
            with self._database.write() as session:
                record(session, by, "app.new", f"app:{path.name}", target_name=path.name)
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
        return self.get(path.name)
