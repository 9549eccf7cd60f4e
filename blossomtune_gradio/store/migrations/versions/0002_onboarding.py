"""onboarding: accounts, sessions, audit, mails that are sent, live requests"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
_LIVE = sa.text("status IN ('requested', 'confirmed', 'approved')")
_PARTICIPANT_TEXTS = ("username", "data", "note", "decided_name", "search_text")
_KEY_COUNTS = ("bytes_received", "bytes_sent", "requests", "rounds")


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("organisations", sa.JSON(), nullable=False),
        sa.Column("is_researcher", sa.Boolean(), nullable=False),
        sa.Column("first_seen", sa.DateTime(), nullable=False),
        sa.Column("last_seen", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    op.create_table(
        "role_pins",
        sa.Column("entry", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("pinned_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("entry", name=op.f("pk_role_pins")),
    )
    op.create_table(
        "sign_ins",
        sa.Column("id_hash", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("began_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_sign_ins_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_sign_ins")),
    )
    op.create_index("ix_sign_ins_account_id", "sign_ins", ["account_id"])
    op.create_table(
        "site_reports",
        sa.Column("participant_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("good", sa.Boolean(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["participants.id"],
            name=op.f("fk_site_reports_participant_id_participants"),
        ),
        sa.PrimaryKeyConstraint("participant_id", name=op.f("pk_site_reports")),
    )
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("actor_name", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("target_name", sa.String(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
        sa.UniqueConstraint("hash", name=op.f("uq_audit_entries_hash")),
    )
    for column in ("at", "actor", "action", "target"):
        op.create_index(f"ix_audit_entries_{column}", "audit_entries", [column])
    with op.batch_alter_table("participants") as table:
        for name in _PARTICIPANT_TEXTS:
            table.add_column(sa.Column(name, sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("code_sent_at", sa.DateTime(), nullable=True))
        table.drop_constraint("uq_participants_email", type_="unique")
        table.drop_constraint("uq_participants_site", type_="unique")
    op.create_index("ix_participants_changed_at", "participants", ["changed_at"])
    for name in ("site", "email"):
        op.create_index(
            f"uq_live_{name}",
            "participants",
            [name],
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        )
    op.execute(
        "UPDATE participants SET search_text = lower(site || ' ' || email || ' ' || organisation)"
    )
    with op.batch_alter_table("node_keys") as table:
        for name in ("seen_at", "lost_at"):
            table.add_column(sa.Column(name, sa.DateTime(), nullable=True))
        for name in _KEY_COUNTS:
            kind = sa.BigInteger() if name.startswith("bytes") else sa.Integer()
            table.add_column(sa.Column(name, kind, nullable=False, server_default="0"))
    with op.batch_alter_table("mails") as table:
        for name in ("kind", "html", "last_error"):
            table.add_column(sa.Column(name, sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("tries", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("next_try_at", sa.DateTime(), nullable=True))
        table.add_column(sa.Column("sent_at", sa.DateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("mails") as table:
        for name in ("kind", "html", "last_error", "tries", "next_try_at", "sent_at"):
            table.drop_column(name)
    with op.batch_alter_table("node_keys") as table:
        for name in ("seen_at", "lost_at", *_KEY_COUNTS):
            table.drop_column(name)
    for name in ("uq_live_site", "uq_live_email", "ix_participants_changed_at"):
        op.drop_index(name, "participants")
    with op.batch_alter_table("participants") as table:
        for name in (*_PARTICIPANT_TEXTS, "code_sent_at"):
            table.drop_column(name)
        table.create_unique_constraint("uq_participants_site", ["site"])
        table.create_unique_constraint("uq_participants_email", ["email"])
    for name in ("audit_entries", "site_reports", "sign_ins", "role_pins", "accounts"):
        op.drop_table(name)
