"""Sync at scale"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_COUNTS = ("calls", "refused_full", "refused_spent")


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "rest_call",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("portal_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("method", sa.String(length=400), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name=op.f("fk_rest_call_portal_id_portal")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rest_call")),
    )
    op.create_index("ix_rest_call_portal", "rest_call", ["portal_id", "id"])
    op.create_index("ix_rest_call_at", "rest_call", ["at"])
    for name in _COUNTS:
        op.add_column("bucket", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("account", sa.Column("gone_at", sa.DateTime(timezone=True)))
    op.add_column("mark", sa.Column("held_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("mark", sa.Column("held_by", sa.Integer(), nullable=True))
    op.add_column("setup", sa.Column("compared_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take this revision back."""
    op.drop_column("setup", "compared_at")
    op.drop_column("mark", "held_by")
    op.drop_column("mark", "held_at")
    op.drop_index("ix_rest_call_at", table_name="rest_call")
    op.drop_index("ix_rest_call_portal", table_name="rest_call")
    op.drop_table("rest_call")
    for name in _COUNTS:
        op.drop_column("bucket", name)
    op.drop_column("account", "gone_at")
