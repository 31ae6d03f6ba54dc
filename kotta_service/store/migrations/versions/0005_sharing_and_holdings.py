"""What readers of shared jobs need to be found fast, and how much of the storage is whose.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("shares_by_reader", "shares", ["reader", "job_number"], unique=False)
    op.create_table(
        "shared_inputs",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("job_number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_number"], ["jobs.number"]),
        sa.PrimaryKeyConstraint("sha256", "job_number"),
    )
    op.create_index("shared_inputs_by_job", "shared_inputs", ["job_number"], unique=False)
    op.create_table(
        "holdings",
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("storage_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner"),
    )
    op.execute(
        "INSERT INTO holdings (owner, storage_bytes) SELECT owner, SUM(size_bytes) FROM ("
        "SELECT owner, size_bytes FROM uploads UNION ALL "
        "SELECT jobs.owner, outputs.size_bytes FROM outputs "
        "JOIN jobs ON jobs.number = outputs.job_number "
        "WHERE outputs.available AND outputs.size_bytes > 0"
        ") AS kept GROUP BY owner"
    )


def downgrade() -> None:
    op.drop_table("holdings")
    op.drop_index("shared_inputs_by_job", table_name="shared_inputs")
    op.drop_table("shared_inputs")
    op.drop_index("shares_by_reader", table_name="shares")
