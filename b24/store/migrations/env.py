"""Alembic's entry: runs revisions inside the transaction ``b24.store.migrate`` opened."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from b24.store.engine import UtcTime


def plain_types(kind: str, thing: Any, _autogen: Any) -> str | Literal[False]:
    """Write our own column type as what the database has, so that old revisions do not depend on our code."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(thing, UtcTime) else False


attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=attributes.get("target_metadata"),
    # SQLite changes a table by making it anew.
    render_as_batch=True,
    transactional_ddl=True,
    compare_type=True,
    render_item=plain_types,
)
# The transaction is the caller's: all revisions or none.
context.run_migrations()
