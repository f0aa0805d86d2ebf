"""What Alembic loads: migrations run on the connection that `kumo.db.migrate` gives."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import types

from kumo.db.base import Base, UtcDateTime


def _render(kind: str, item: Any, _autogenerate: AutogenContext) -> str | Literal[False]:
    """Write types that are Kumo's own by what the database sees of them: migrations must not change with the code."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, types.BigInteger) and item._variant_mapping:  # noqa: SLF001 - no public way
        return 'sa.BigInteger().with_variant(sa.Integer(), "sqlite")'
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot change a column in place
    compare_type=True,
    render_item=_render,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
connection.commit()
