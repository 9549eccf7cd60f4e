"""error replies of runs"""

import sqlalchemy as sa
from alembic import op

revision = "0005_run_errors"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "run_errors",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("by_site", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
            name=op.f("fk_run_errors_run_id_runs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", "message_id", name=op.f("pk_run_errors")),
    )


def downgrade() -> None:
    op.drop_table("run_errors")
