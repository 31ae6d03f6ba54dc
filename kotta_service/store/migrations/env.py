"""Alembic's entry: the connection comes from `kotta_service.store.migration`."""

from __future__ import annotations

from alembic import context

from kotta_service.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
