"""Filled-in launch forms under a name, for everybody who may start runs."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from blossomtune_gradio.errors import InvalidFields, NotFound
from blossomtune_gradio.flower.apps.catalogue import AppCatalogue
from blossomtune_gradio.identity import Role, User, require, require_owner
from blossomtune_gradio.services.runs.asking.request import RunRequest, checked, name_faults
from blossomtune_gradio.services.runs.limits import RunLimits
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import RunPreset


class PresetService:
    """Keeps presets. A name is unique within its app; saving it again replaces one's own."""

    def __init__(self, database: Database, apps: AppCatalogue) -> None:
        self._database, self._apps = database, apps

    def save(
        self, name: str, app: str, config: Mapping[str, object], limits: RunLimits, by: User
    ) -> RunPreset:
        """Keep what differs from the app's defaults under a name.

        Raises:
            InvalidFields: the name or a value cannot be used.
            NotAllowed: the name belongs to somebody else's preset.
        """
        require(by, Role.RESEARCHER, "save presets")
        name = " ".join(name.split())
        if not name or name_faults(name):
            sentence = "A preset's name has 1 to 64 letters, digits, blanks or any of . ( ) - _"
            raise InvalidFields({"preset": sentence})
        checked(self._apps.get(app), RunRequest(config=config, limits=limits))
        query = select(RunPreset).where(RunPreset.name == name, RunPreset.app == app)
        with self._database.write() as session:
            preset = session.scalar(query)
            if preset is None:
                preset = RunPreset(name=name, app=app, owner=by.id, owner_name=by.name)
                session.add(preset)
            else:
                require_owner(by, preset.owner, "change a preset")
            preset.config, preset.limits = dict(config), limits.to_json()
        return preset

    def list(self, app: str, by: User) -> list[RunPreset]:
        """The presets of an app by name."""
        require(by, Role.RESEARCHER, "use presets")
        query = select(RunPreset).where(RunPreset.app == app).order_by(RunPreset.name)
        with self._database.read() as session:
            return list(session.scalars(query))

    def delete(self, preset_id: int, by: User) -> None:
        """Take a preset away."""
        require(by, Role.RESEARCHER, "delete presets")
        with self._database.write() as session:
            preset = session.get(RunPreset, preset_id)
            if preset is None:
                raise NotFound("This preset does not exist (any more). Reload the page.")
            require_owner(by, preset.owner, "delete a preset")
            session.delete(preset)
