"""Alembic's entry: runs revisions inside the transaction ``b24.store.migrate`` opened."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context

from b24.store.engine import UtcTime


def plain(kind: str, thing: Any, _autogen: Any) -> str | Literal[False]:
    """Write what both databases understand, and nothing that depends on our code of today."""
    if kind == "type" and isinstance(thing, UtcTime):
        return "sa.DateTime(timezone=True)"
    constant = getattr(thing, "arg", None)
    if kind == "server_default" and isinstance(constant, sa.False_ | sa.True_):
        return f"sa.{constant!s}()"
    return False


attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=attributes.get("target_metadata"),
    # SQLite changes a table by making it anew.
    render_as_batch=True,
    transactional_ddl=True,
    compare_type=True,
    render_item=plain,
)
# The transaction is the caller's: all revisions or none.
context.run_migrations()
