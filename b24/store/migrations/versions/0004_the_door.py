"""The door"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("scan", sa.Column("direction", sa.String(8), nullable=False, server_default="entry"))
    disputed = sa.text("verdict = 'conflict'")
    op.create_index(
        "ix_scan_conflict",
        "scan",
        ["device_id", "received_at"],
        sqlite_where=disputed,
        postgresql_where=disputed,
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_index("ix_scan_conflict", "scan")
    op.drop_column("scan", "direction")
