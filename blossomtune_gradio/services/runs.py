"""Runs as people see them: start, stop, list.

A start only writes a row; the `Runner` takes it to Flower. So a click is answered at once, a crash
loses nothing, and the same idempotency key never makes two runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from blossomtune_gradio.errors import InvalidInput, NotFound, NotPossible
from blossomtune_gradio.flower.apps import AppCatalogue, validated_config
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.services.options import Options
from blossomtune_gradio.services.runner import Runner
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import Run, RunStatus, now

_NAME = re.compile(r"[\w][\w .()-]{0,63}")


class RunService:
    """What an admin or a researcher may do with runs."""

    def __init__(
        self, database: Database, options: Options, apps: AppCatalogue, runner: Runner
    ) -> None:
        self._database, self._options = database, options
        self._apps, self._runner = apps, runner

    def start(
        self,
        app: str,
        by: User,
        name: str = "",
        config: Mapping[str, object] | None = None,
        partitions: int | None = None,
        key: str | None = None,
    ) -> Run:
        """Queue a run of an app; `config` holds only what differs from the app's defaults.

        Raises:
            NotFound: there is no such app.
            InvalidInput: the app is broken, or a name or value of the configuration is wrong.
            NotPossible: the name is taken, or sites were told another number of partitions.
        """
        require(by, Role.RESEARCHER, "start runs")
        chosen = self._apps.get(app)
        if not chosen.runnable:
            faults = " ".join(f.sentence for f in chosen.findings if f.level == "error")
            raise InvalidInput(f"{app} cannot run. {faults}")
        checked = validated_config(chosen, config or {})
        if partitions is not None and partitions != self._options.partitions():
            self._options.set_partitions(partitions, by)
        run = Run(
            name=_checked_name(name) or f"{app} {now():%m-%d %H.%M.%S}",
            app=app,
            config=checked,
            partitions=self._options.partitions(),
            created_by=by.id,
            idempotency_key=key,
            rounds=_rounds({**chosen.config, **checked}),
        )
        return self._insert(run)

    def stop(self, run_id: int, by: User) -> Run:
        """Ask for the end of a run: a queued one ends at once, a running one within seconds.

        Raises:
            NotPossible: it has ended already.
        """
        require(by, Role.RESEARCHER, "stop runs")
        with self._database.write() as session:
            run = session.get(Run, run_id)
            if run is None:
                raise NotFound("This run does not exist. Reload the page.")
            if run.status.is_end:
                raise NotPossible(f"{run.name} is {run.status} already.")
            run.stop_asked_by = by.name
            if run.status is RunStatus.QUEUED:
                run.move_to(RunStatus.STOPPED, f"{by.name} took it out of the queue.")
        self._runner.wake()
        return run

    def get(self, run_id: int, by: User) -> Run:
        """One run."""
        require(by, Role.PARTICIPANT, "see runs")
        with self._database.read() as session:
            run = session.get(Run, run_id)
        if run is None:
            raise NotFound("This run does not exist. Reload the page.")
        return run

    def list(self, by: User, limit: int = 50) -> list[Run]:
        """The newest runs first."""
        require(by, Role.PARTICIPANT, "see runs")
        with self._database.read() as session:
            return list(session.scalars(select(Run).order_by(Run.id.desc()).limit(limit)))

    def why(self, run: Run, by: User) -> str:
        """What the run waits for, how it ended, or "" while all is well."""
        require(by, Role.PARTICIPANT, "see runs")
        return run.cause or self._runner.waiting_for(run)

    def _insert(self, run: Run) -> Run:
        try:
            with self._database.write() as session:
                session.add(run)
        except IntegrityError as error:
            with self._database.read() as session:
                same = session.scalar(
                    select(Run).where(
                        Run.idempotency_key.is_not(None),
                        Run.idempotency_key == run.idempotency_key,
                    )
                )
            if same is not None:
                return same
            raise NotPossible(f"There is a run named {run.name!r}. Choose another name.") from error
        self._runner.wake()
        return run


def _checked_name(text: str) -> str:
    name = " ".join(text.split())
    if name and not _NAME.fullmatch(name):
        raise InvalidInput("A run's name has 1 to 64 letters, digits, blanks or any of . ( ) - _")
    return name


def _rounds(config: Mapping[str, object]) -> int:
    """How many rounds the app was asked for, 0 when it does not say."""
    value = config.get("num-server-rounds", 0)
    return value if isinstance(value, int) else 0
