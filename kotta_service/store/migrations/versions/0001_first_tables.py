"""The first tables.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "jobs",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=True),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("jobtype", sa.String(length=16), nullable=False),
        sa.Column("cpus", sa.Integer(), nullable=False),
        sa.Column("memory_mib", sa.BigInteger(), nullable=False),
        sa.Column("walltime_seconds", sa.Float(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("array", sa.String(length=36), nullable=True),
        sa.Column("array_index", sa.Integer(), nullable=True),
        sa.Column("waits_for", sa.Integer(), nullable=False),
        sa.Column("is_needed", sa.Boolean(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("submitted_at", sa.Float(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=True),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("cancel_requested_at", sa.Float(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("signal", sa.Integer(), nullable=True),
        sa.Column("staging_inputs_seconds", sa.Float(), nullable=True),
        sa.Column("processing_seconds", sa.Float(), nullable=True),
        sa.Column("staging_outputs_seconds", sa.Float(), nullable=True),
        sa.Column("cpu_seconds", sa.Float(), nullable=True),
        sa.Column("peak_memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("description", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("jobs_by_owner", "jobs", ["owner", "number"], unique=False)
    op.create_index("jobs_by_owner_array", "jobs", ["owner", "array", "number"], unique=False)
    op.create_index("jobs_by_owner_change", "jobs", ["owner", "change"], unique=False)
    op.create_index("jobs_by_owner_name", "jobs", ["owner", "name", "number"], unique=False)
    op.create_index("jobs_by_owner_queue", "jobs", ["owner", "queue", "number"], unique=False)
    op.create_index("jobs_by_owner_status", "jobs", ["owner", "status", "number"], unique=False)
    op.create_index("jobs_by_status", "jobs", ["status", "queue", "number"], unique=False)
    op.create_table(
        "submissions",
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("first_number", sa.BigInteger(), nullable=False),
        sa.Column("job_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key"),
    )
    op.create_table(
        "uploads",
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("uploaded_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "sha256"),
    )
    op.create_table(
        "dependencies",
        sa.Column("needed_number", sa.BigInteger(), nullable=False),
        sa.Column("job_number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_number"],
            ["jobs.number"],
        ),
        sa.ForeignKeyConstraint(
            ["needed_number"],
            ["jobs.number"],
        ),
        sa.PrimaryKeyConstraint("needed_number", "job_number"),
    )
    op.create_index("dependencies_by_job", "dependencies", ["job_number"], unique=False)
    op.create_table(
        "tags",
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("tag", sa.String(length=256), nullable=False),
        sa.Column("job_number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_number"],
            ["jobs.number"],
        ),
        sa.PrimaryKeyConstraint("owner", "tag", "job_number"),
    )
    op.create_table(
        "outputs",
        sa.Column("job_number", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("available", sa.Boolean(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_number"],
            ["jobs.number"],
        ),
        sa.PrimaryKeyConstraint("job_number", "position"),
    )
    op.create_table(
        "transitions",
        sa.Column("change", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("job_number", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_number"],
            ["jobs.number"],
        ),
        sa.PrimaryKeyConstraint("change"),
    )
    op.create_index("transitions_by_job", "transitions", ["job_number", "change"], unique=False)
    op.bulk_insert(
        sa.table("counters", sa.column("name"), sa.column("value")),
        [{"name": "job", "value": 0}, {"name": "change", "value": 0}],
    )


def downgrade() -> None:
    below = ("uploads", "submissions", "outputs", "transitions", "dependencies", "tags")
    for table in (*below, "jobs", "counters"):
        op.drop_table(table)
