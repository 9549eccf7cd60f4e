"""where a run runs; what is wanted of it in columns of its own"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
_AGAIN = "submit again"  # the word that stood in `stop_reason`
_TEXTS = ("status", "cause", "stop_asked_by", "stop_reason", "stop_code", "stop_sentence")
_RUNS = sa.table(
    "runs", *(sa.column(name, sa.String()) for name in _TEXTS), sa.column("again", sa.Boolean())
)
_OPEN = _RUNS.c.status.not_in(["completed", "failed", "stopped", "lost"])


def upgrade() -> None:
    with op.batch_alter_table("runs") as table:
        for name, default in (("runtime", "deployed"), ("stop_code", ""), ("stop_sentence", "")):
            table.add_column(sa.Column(name, sa.String(), nullable=False, server_default=default))
        table.add_column(
            sa.Column("again", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        table.drop_constraint("uq_runs_flower_run_id", type_="unique")
        table.create_unique_constraint(
            "uq_runs_runtime_flower_run_id", ["runtime", "flower_run_id"]
        )
    _speak()
    with op.batch_alter_table("runs") as table:
        table.drop_column("stop_reason")


def _speak() -> None:
    """A stop of ours had its code in `stop_reason` and its sentence in the cause of a live run."""
    runs = _RUNS.c
    is_ours = sa.and_(runs.stop_asked_by != "", runs.stop_reason.not_in(["", _AGAIN]))
    ours = _RUNS.update().where(is_ours)
    op.execute(ours.values(stop_code=runs.stop_reason, stop_sentence=runs.cause))
    op.execute(ours.where(_OPEN).values(cause=""))
    asked = _RUNS.update().where(runs.stop_reason == _AGAIN, runs.stop_asked_by == "", _OPEN)
    op.execute(asked.values(again=sa.true()))


def downgrade() -> None:
    runs = _RUNS.c
    with op.batch_alter_table("runs") as table:
        table.add_column(sa.Column("stop_reason", sa.String(), nullable=False, server_default=""))
    op.execute(_RUNS.update().values(stop_reason=runs.stop_code))
    op.execute(_RUNS.update().where(runs.again).values(stop_reason=_AGAIN))
    op.execute(_RUNS.update().where(_OPEN).values(cause=runs.stop_sentence))
    with op.batch_alter_table("runs") as table:
        table.drop_constraint("uq_runs_runtime_flower_run_id", type_="unique")
        table.create_unique_constraint("uq_runs_flower_run_id", ["flower_run_id"])
        for name in ("runtime", "stop_code", "stop_sentence", "again"):
            table.drop_column(name)
