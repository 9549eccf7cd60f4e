"""Runs as people see them: start, stop, order, list.

A start only writes a row; the `Runner` takes it to Flower. So a click is answered at once, a crash
loses nothing, and the same idempotency key never makes two runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import InvalidInput, NotFound, NotPossible
from blossomtune_gradio.flower.apps.catalogue import AppCatalogue
from blossomtune_gradio.identity import Role, User, require
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.services.options import Options
from blossomtune_gradio.services.runs import timeline
from blossomtune_gradio.services.runs.asking.request import RunRequest, checked, clean_tags
from blossomtune_gradio.services.runs.book import RunBook
from blossomtune_gradio.services.runs.judging.end import Cause, Verdict
from blossomtune_gradio.services.runs.limits import RunLimits
from blossomtune_gradio.services.runs.queue.runner import Runner
from blossomtune_gradio.services.runs.rows import add_row
from blossomtune_gradio.services.runs.watching.waiting import Wait
from blossomtune_gradio.store.models import DEPLOYED, Run, RunStatus

UP, DOWN = "up", "down"
_NO_LIMITS = RunLimits()


class RunService:
    """What an admin or a researcher may do with runs."""

    def __init__(self, book: RunBook, options: Options, apps: AppCatalogue, runner: Runner) -> None:
        self._book, self._database = book, book.database
        self._options, self._apps, self._runner = options, apps, runner

    def start(
        self,
        app: str,
        by: User,
        name: str = "",
        config: Mapping[str, object] | None = None,
        partitions: int | None = None,
        key: str | None = None,
        limits: RunLimits = _NO_LIMITS,
        tags: Sequence[str] = (),
        runtime: str = DEPLOYED,
    ) -> Run:
        """Queue a run of an app; `config` holds only what differs from the app's defaults.

        Raises:
            NotFound: there is no such app.
            InvalidFields: a name, value or runtime cannot be used; it has a sentence for each.
            InvalidInput: the app is broken.
            NotPossible: the name is taken, or sites were told another number of partitions.
        """
        require(by, Role.RESEARCHER, "start runs")
        chosen = self._apps.get(app)
        request = RunRequest(name=name, config=config or {}, limits=limits, tags=tuple(tags))
        full = checked(chosen, request)
        if (same := self._with_key(key)) is not None:
            return same
        if partitions is not None and partitions != self._options.partitions():
            self._options.set_partitions(partitions, by)
        run = Run(
            name=" ".join(name.split()),
            app=app,
            app_hash=chosen.bundle_hash,
            app_version=chosen.version,
            config=full,
            partitions=self._options.partitions(),
            created_by=by.id,
            started_by=by.name,
            idempotency_key=key,
            rounds=_rounds(full),
            tags=clean_tags(tags),
            runtime=self._runner.runtimes.checked(runtime),
            **limits.to_json(),
        )
        return self._insert(run, by)

    def stop(self, run_id: int, by: User) -> Run:
        """Ask for the end of a run: a queued one ends at once, a running one within seconds.

        Raises:
            NotPossible: it has ended already.
        """
        require(by, Role.RESEARCHER, "stop runs")
        with self._database.write() as session:
            run = _known(session, run_id)
            was_queued = run.status is RunStatus.QUEUED
            run.ask_stop(by.name)
            timeline.note(session, run_id, "stop", f"{by.name} asked for its end.")
            _record(session, by, "run.stop", run, before={"status": run.status.value})
        if was_queued:
            sentence = f"{by.name} took it out of the queue."
            self._book.end(run_id, Verdict(RunStatus.STOPPED, sentence, Cause.CANCELLED))
        self._runner.wake()
        return self._book.get(run_id)

    def move(self, run_id: int, direction: str, by: User) -> Run:
        """Let a queued run change places with the one before ("up") or behind ("down") it.

        Raises:
            NotPossible: it is not in the queue any more.
        """
        require(by, Role.RESEARCHER, "move runs in the queue")
        if direction not in (UP, DOWN):
            raise InvalidInput(f"A run moves {UP} or {DOWN}.")
        with self._database.write() as session:
            run = _known(session, run_id)
            if run.status is not RunStatus.QUEUED:
                raise NotPossible(f"{run.name} is {run.status}, so it has no place in the queue.")
            other = _neighbour(session, run, direction)
            if other is not None:
                before = run.position
                run.position, other.position = other.position, run.position
                timeline.note(
                    session, run_id, "moved", f"{by.name} moved it {direction} in the queue."
                )
                places = ({"position": before}, {"position": run.position})
                _record(session, by, "run.move", run, before=places[0], after=places[1])
        self._runner.wake()
        return run

    def get(self, run_id: int, by: User) -> Run:
        """One run."""
        require(by, Role.PARTICIPANT, "see runs")
        with self._database.read() as session:
            return _known(session, run_id)

    def queue(self, by: User) -> list[Run]:
        """Runs that wait for a slot, the next one first."""
        require(by, Role.PARTICIPANT, "see runs")
        return self._book.queued()

    def active(self, by: User) -> list[Run]:
        """Runs that have a slot."""
        require(by, Role.PARTICIPANT, "see runs")
        return self._book.active()

    def list(self, by: User, limit: int = 50) -> list[Run]:
        """The newest runs first."""
        require(by, Role.PARTICIPANT, "see runs")
        with self._database.read() as session:
            return list(session.scalars(select(Run).order_by(Run.id.desc()).limit(limit)))

    def wait(self, run: Run, by: User) -> Wait | None:
        """The card that says what a run waits for, or None."""
        require(by, Role.PARTICIPANT, "see runs")
        wait = self._runner.wait_of(run)
        return wait.without_checks() if wait and by.role < Role.ADMIN else wait

    def why(self, run: Run, by: User) -> str:
        """What the run waits for, how it ended, or "" while all is well."""
        require(by, Role.PARTICIPANT, "see runs")
        if run.reason or run.status.is_end:
            return run.reason
        return self._runner.waiting_for(run)

    def _insert(self, run: Run, by: User) -> Run:
        try:
            with self._database.write() as session:
                add_row(session, run)
                timeline.note(session, run.id, "queued", f"{by.name} deployed it.")
                _record(session, by, "run.start", run, after={"app": run.app, "config": run.config})
        except IntegrityError as error:
            if (same := self._with_key(run.idempotency_key)) is not None:
                return same
            raise NotPossible(f"There is a run named {run.name!r}. Choose another name.") from error
        self._runner.wake()
        return run

    def _with_key(self, key: str | None) -> Run | None:
        if not key:
            return None
        with self._database.read() as session:
            return session.scalar(select(Run).where(Run.idempotency_key == key))


def _known(session: Session, run_id: int) -> Run:
    run = session.get(Run, run_id)
    if run is None:
        raise NotFound("This run does not exist. Reload the page.")
    return run


def _neighbour(session: Session, run: Run, direction: str) -> Run | None:
    query = select(Run).where(Run.status_word == RunStatus.QUEUED.value)
    if direction == UP:
        query = query.where(Run.position < run.position).order_by(Run.position.desc())
    else:
        query = query.where(Run.position > run.position).order_by(Run.position)
    return session.scalar(query.limit(1))


def _record(
    session: Session, by: User, action: str, run: Run, **change: Mapping[str, object]
) -> None:
    record(session, by, action, f"run:{run.id}", target_name=run.name, **change)


def _rounds(config: Mapping[str, object]) -> int:
    """How many rounds the app was asked for, 0 when it does not say."""
    value = config.get("num-server-rounds", 0)
    return value if isinstance(value, int) else 0
