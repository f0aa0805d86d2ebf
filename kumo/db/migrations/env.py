"""What Alembic loads: migrations run on the connection that `kumo.db.migrate` gives."""

from __future__ import annotations

from alembic import context

from kumo.db.base import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot change a column in place
    compare_type=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
connection.commit()
