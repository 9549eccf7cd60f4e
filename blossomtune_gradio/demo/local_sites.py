"""Sites on this machine that join by the same way in as any hospital.

Request, mailed code, approval, kit, `python join.py`: nothing is short-cut; the demonstration only
plays the people. Each site lives in a folder of its own, outside the server's data directory.
"""

from __future__ import annotations

import io
import re
import sys
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import BlossomError, NotFound
from blossomtune_gradio.identity import LOCAL_ADMIN, Role, User
from blossomtune_gradio.logs import FileFollower
from blossomtune_gradio.processes import ProcessSupervisor, Program

_CODE = re.compile(r"\b[A-Z0-9]{4}-[A-Z0-9]{4}\b")
_GRACE = 20.0  # seconds join.py has to end its SuperNode


class LocalSite:
    """One participant and the program they start."""

    def __init__(
        self,
        app: Application,
        name: str,
        folder: Path,
        env: Mapping[str, str],
        python: str = sys.executable,
    ) -> None:
        """`python`: the interpreter of the site, whose flwr it uses."""
        self.name, self._app, self._folder, self._env = name, app, folder, env
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        self._user = User(provider="local", sub=slug, name=name, role=Role.PARTICIPANT)
        self._python = python
        self._process = ProcessSupervisor(folder.parent / "processes")
        self._output = folder / "join.out"
        self._log = FileFollower(app.logs, f"site-{slug}", self._output)

    def join(self) -> None:
        """Ask, confirm, be approved, take the kit, start it."""
        asked = self._app.participants.request_access(
            self._user, self.name, f"{self._user.sub}@example.org", organisation="this machine"
        )
        self._app.participants.confirm(self._user, self._mailed_code(asked.email))
        self._app.participants.approve(asked.id, by=LOCAL_ADMIN)
        kit = self._app.kits.make(asked.id, by=self._user)
        self._folder.mkdir(parents=True)
        with zipfile.ZipFile(io.BytesIO(kit)) as files:
            files.extractall(self._folder)
        self._log.start()
        self._process.start(
            Program(
                name=f"site-{self._user.sub}",
                argv=(self._python, str(self._folder / "join.py")),
                env=self._env,
                cwd=self._folder,
                output=self._output,
                grace=_GRACE,
            )
        )

    def leave(self) -> None:
        """End the site's programs; returns when nothing of them is left."""
        self._process.stop()
        self._process.close()
        self._log.stop()

    def _mailed_code(self, address: str) -> str:
        for mail in self._app.outbox.newest(LOCAL_ADMIN):
            if mail.recipient == address and (found := _CODE.search(mail.body)):
                return found.group()
        raise NotFound(f"No mail with a code for {address} is in the outbox. Ask for a new one.")


def leave_all(sites: list[LocalSite]) -> list[str]:
    """End all sites at once, also when one resists; the sentences of those that did."""

    def leave(site: LocalSite) -> str:
        try:
            site.leave()
        except BlossomError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(max_workers=max(1, len(sites))) as pool:
        return [trouble for trouble in pool.map(leave, sites) if trouble]
