"""Users, their logins and tokens, and whom jobs are shared with.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "failures",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "users",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("is_disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("password", sa.String(length=255), nullable=True),
        sa.Column("limits", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index("users_by_email", "users", ["email"], unique=True)
    op.create_table(
        "device_grants",
        sa.Column("device_sha256", sa.String(length=64), nullable=False),
        sa.Column("user_code", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("interval_seconds", sa.Integer(), nullable=False),
        sa.Column("polled_at", sa.Float(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["user"],
            ["users.name"],
        ),
        sa.PrimaryKeyConstraint("device_sha256"),
    )
    op.create_index(
        "device_grants_by_client", "device_grants", ["client", "expires_at"], unique=False
    )
    op.create_index("device_grants_by_code", "device_grants", ["user_code"], unique=True)
    op.create_table(
        "identities",
        sa.Column("provider", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["user"],
            ["users.name"],
        ),
        sa.PrimaryKeyConstraint("provider", "subject"),
    )
    op.create_table(
        "invitations",
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user"],
            ["users.name"],
        ),
        sa.PrimaryKeyConstraint("secret_sha256"),
    )
    op.create_table(
        "logins",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("last_used_at", sa.Float(), nullable=True),
        sa.Column("expires_at", sa.Float(), nullable=True),
        sa.Column("revoked_at", sa.Float(), nullable=True),
        sa.Column("secret_sha256", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["user"],
            ["users.name"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("logins_by_secret", "logins", ["secret_sha256"], unique=True)
    op.create_index("logins_by_user", "logins", ["user", "created_at"], unique=False)
    op.create_table(
        "shares",
        sa.Column("job_number", sa.BigInteger(), nullable=False),
        sa.Column("reader", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_number"],
            ["jobs.number"],
        ),
        sa.PrimaryKeyConstraint("job_number", "reader"),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("login", sa.String(length=36), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("replaced_by", sa.String(length=64), nullable=True),
        sa.Column("replaced_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["login"],
            ["logins.id"],
        ),
        sa.PrimaryKeyConstraint("secret_sha256"),
    )
    op.create_index("refresh_tokens_by_login", "refresh_tokens", ["login"], unique=False)


def downgrade() -> None:
    op.drop_index("refresh_tokens_by_login", table_name="refresh_tokens")
    op.drop_table("refresh_tokens")
    op.drop_table("shares")
    op.drop_index("logins_by_user", table_name="logins")
    op.drop_index("logins_by_secret", table_name="logins")
    op.drop_table("logins")
    op.drop_table("invitations")
    op.drop_table("identities")
    op.drop_index("device_grants_by_client", table_name="device_grants")
    op.drop_index("device_grants_by_code", table_name="device_grants")
    op.drop_table("device_grants")
    op.drop_index("users_by_email", table_name="users")
    op.drop_table("users")
    op.drop_table("failures")
