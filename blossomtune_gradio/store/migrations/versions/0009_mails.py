"""mails whose fate is unknown, and until when a mail is of use"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0005_run_errors"


def upgrade() -> None:
    tries = sa.Column("unsure_tries", sa.Integer(), nullable=False, server_default="0")
    with op.batch_alter_table("mails") as table:
        table.add_column(tries)
        table.add_column(sa.Column("valid_until", sa.DateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("mails") as table:
        table.drop_column("valid_until")
        table.drop_column("unsure_tries")
