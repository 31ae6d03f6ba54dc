"""Jobs that wait in the queue of an engine such as Slurm, and are pending still.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("handed_over_at", sa.Float(), nullable=True))
    op.drop_index("jobs_by_status", table_name="jobs")
    op.create_index(
        "jobs_by_status", "jobs", ["status", "queue", "handed_over_at", "number"], unique=False
    )


def downgrade() -> None:
    op.drop_index("jobs_by_status", table_name="jobs")
    op.create_index("jobs_by_status", "jobs", ["status", "queue", "number"], unique=False)
    op.drop_column("jobs", "handed_over_at")
