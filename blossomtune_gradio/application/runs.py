"""The room of runs: where they run, who takes them there, what is kept of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from blossomtune_gradio.application.ground import Ground
from blossomtune_gradio.application.notices import Notices
from blossomtune_gradio.application.sites import Sites
from blossomtune_gradio.flower.link.messages import OpenMessage
from blossomtune_gradio.identity import SYSTEM
from blossomtune_gradio.services.runs.asking.history import RunHistory
from blossomtune_gradio.services.runs.asking.presets import PresetService
from blossomtune_gradio.services.runs.asking.service import RunService
from blossomtune_gradio.services.runs.book import RunBook
from blossomtune_gradio.services.runs.carrying.results import ResultService
from blossomtune_gradio.services.runs.carrying.tools import Tools
from blossomtune_gradio.services.runs.folder import RunFolders
from blossomtune_gradio.services.runs.metrics import MetricService
from blossomtune_gradio.services.runs.queue.runner import Runner
from blossomtune_gradio.services.runtimes.deployed import DeployedRuntime
from blossomtune_gradio.services.runtimes.known import Runtimes
from blossomtune_gradio.services.runtimes.runtime import Runtime
from blossomtune_gradio.services.sites.handover import Handover

_log = logging.getLogger(__name__)


class Runs:
    """Whose queue goes on by itself."""

    def __init__(
        self, ground: Ground, notices: Notices, sites: Sites, more_runtimes: Sequence[Runtime]
    ) -> None:
        database = ground.database
        self.metrics = MetricService(database)
        deployed = DeployedRuntime(
            sites.superlink,
            sites.ends,
            lambda: sites.sites.sites(SYSTEM),
            ground.settings.run_slots,
        )
        self.runtimes = Runtimes(deployed, *more_runtimes)
        folders = RunFolders(ground.settings.data_dir / "runs", self.runtimes.work_folder_of)
        self.results = ResultService(database, folders)
        self._book = RunBook(database, ground.logs, notices.alerts)
        self.handover = Handover(sites.superlink.messages, self._tell_of_work)
        self._runner = Runner(
            Tools(
                book=self._book,
                apps=ground.apps,
                runtimes=self.runtimes,
                metrics=self.metrics,
                logs=ground.logs,
                loops=ground.loops,
                folders=folders,
                records=ground.records,
            )
        )
        ground.loops.add(self._runner.loop)
        ground.changed.listen(self._runner.wake)
        self.runs = RunService(self._book, ground.options, ground.apps, self._runner)
        self.history = RunHistory(database, ground.logs, folders)
        self.presets = PresetService(database, ground.apps)

    def open(self) -> None:
        """Go on with the runs there are."""
        self._runner.open()

    def close(self) -> None:
        """Leave them to themselves."""
        self._runner.close()

    def _tell_of_work(self, sentence: str, message: OpenMessage | None) -> None:
        if message is None:
            _log.error("%s", sentence)
        else:
            self._book.lost_work(sentence, message.run_id)
