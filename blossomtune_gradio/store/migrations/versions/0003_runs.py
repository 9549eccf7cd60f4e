"""runs: queue, limits, history, presets, alerts and webhooks"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
_TEXTS = (
    ("app_hash", ""),
    ("app_version", ""),
    ("on_quorum", "stop"),
    ("cause_code", ""),
    ("advice", ""),
    ("started_by", ""),
    ("stop_reason", ""),
    ("note", ""),
)
_COUNTS = ("min_sites", "quorum_seconds", "round_seconds", "position")
_BYTES = ("bytes_sent", "bytes_received")
_SECONDS = ("client_seconds", "server_seconds")
_LISTS = ("evidence", "tags")
_TIMES = ("waiting_since", "round_began_at")


def upgrade() -> None:
    _widen_runs()
    _recreate_points(ondelete="CASCADE")
    op.create_table(
        "run_events",
        sa.Column("id", sa.Integer(), nullable=False),
        _run_id("run_events"),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_events")),
    )
    op.create_index("ix_run_events_run_id", "run_events", ["run_id"])
    op.create_table(
        "run_sites",
        _run_id("run_sites"),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column(
            "participant_id",
            sa.Integer(),
            sa.ForeignKey("participants.id", name=op.f("fk_run_sites_participant_id_participants")),
            nullable=True,
        ),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("partition_id", sa.Integer(), nullable=True),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_round", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=False),
        sa.Column("open_messages", sa.JSON(), nullable=False),
        sa.Column("open_since", sa.DateTime(), nullable=True),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "node_id", name=op.f("pk_run_sites")),
    )
    op.create_index("ix_run_sites_participant_id", "run_sites", ["participant_id"])
    op.create_table(
        "run_presets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("app", sa.String(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("owner_name", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_presets")),
        sa.UniqueConstraint("name", "app", name="uq_run_presets_name_app"),
    )
    op.create_index("ix_run_presets_app", "run_presets", ["app"])
    _create_alerts()


def downgrade() -> None:
    for name in ("webhook_deliveries", "webhooks", "run_watches", "alert_wishes"):
        op.drop_table(name)
    for name in ("run_presets", "run_sites", "run_events"):
        op.drop_table(name)
    _recreate_points(ondelete=None)
    op.drop_index("ix_runs_position", "runs")
    op.drop_index("ix_runs_created_at", "runs")
    with op.batch_alter_table("runs") as table:
        for name in (*(n for n, _ in _TEXTS), *_COUNTS, *_BYTES, *_SECONDS, *_LISTS, *_TIMES):
            table.drop_column(name)
        table.drop_column("pinned")


def _widen_runs() -> None:
    with op.batch_alter_table("runs") as table:
        for name, default in _TEXTS:
            table.add_column(sa.Column(name, sa.String(), nullable=False, server_default=default))
        for name in _COUNTS:
            table.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        for name in _BYTES:
            table.add_column(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
        for name in _SECONDS:
            table.add_column(sa.Column(name, sa.Double(), nullable=False, server_default="0"))
        for name in _LISTS:
            table.add_column(sa.Column(name, sa.JSON(), nullable=False, server_default="[]"))
        for name in _TIMES:
            table.add_column(sa.Column(name, sa.DateTime(), nullable=True))
        table.add_column(
            sa.Column("pinned", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    op.execute("UPDATE runs SET position = id")  # the order in which they were asked for
    op.create_index("ix_runs_position", "runs", ["position"])
    op.create_index("ix_runs_created_at", "runs", ["created_at"])


def _recreate_points(ondelete: str | None) -> None:
    """The points of a run go with it."""
    name = op.f("fk_metric_points_run_id_runs")
    with op.batch_alter_table("metric_points") as table:
        table.drop_constraint(name, type_="foreignkey")
        table.create_foreign_key(name, "runs", ["run_id"], ["id"], ondelete=ondelete)


def _create_alerts() -> None:
    op.create_table(
        "alert_wishes",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_alert_wishes")),
    )
    op.create_table(
        "run_watches",
        _run_id("run_watches"),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "user_id", name=op.f("pk_run_watches")),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        _run_id("webhooks", nullable=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("owner_name", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "webhook_id",
            sa.Integer(),
            sa.ForeignKey(
                "webhooks.id",
                name=op.f("fk_webhook_deliveries_webhook_id_webhooks"),
                ondelete="CASCADE",
            ),
            nullable=False,
        ),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("sent_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
    )
    for name in ("webhook_id", "status"):
        op.create_index(f"ix_webhook_deliveries_{name}", "webhook_deliveries", [name])


def _run_id(table: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(
        "run_id",
        sa.Integer(),
        sa.ForeignKey("runs.id", name=op.f(f"fk_{table}_run_id_runs"), ondelete="CASCADE"),
        nullable=nullable,
    )
