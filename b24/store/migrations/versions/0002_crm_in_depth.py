"""The CRM in depth"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("portal", sa.Column("application", sa.String(length=160), nullable=True))
    op.add_column("portal", sa.Column("probe_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("portal", sa.Column("probes", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "finding",
        sa.Column("portal_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name=op.f("fk_finding_portal_id_portal")),
        sa.PrimaryKeyConstraint("portal_id", "key", name=op.f("pk_finding")),
    )
    op.add_column("event", sa.Column("gates", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("participation", sa.Column("passages", sa.JSON(), server_default="{}", nullable=False))
    op.add_column("device", sa.Column("queue", sa.Integer(), nullable=True))
    op.add_column("device", sa.Column("skew_s", sa.Integer(), nullable=True))
    op.add_column("device", sa.Column("app_version", sa.String(length=32), server_default="", nullable=False))
    op.add_column("scan", sa.Column("skew_s", sa.Integer(), server_default="0", nullable=False))
    op.add_column("person", sa.Column("merged_into", sa.Integer(), nullable=True))
    op.add_column("person", sa.Column("company_candidates", sa.JSON(), server_default="[]", nullable=False))
    op.create_table(
        "channel",
        sa.Column("portal_id", sa.Integer(), nullable=False),
        sa.Column("value", sa.String(length=254), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name=op.f("fk_channel_portal_id_portal")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_channel_person_id_person")),
        sa.PrimaryKeyConstraint("portal_id", "value", "person_id", name=op.f("pk_channel")),
    )
    op.create_table(
        "decision",
        sa.Column("portal_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("answer", sa.String(length=12), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=True),
        sa.Column("company_id", sa.Integer(), nullable=True),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name=op.f("fk_decision_portal_id_portal")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_decision_person_id_person")),
        sa.PrimaryKeyConstraint("portal_id", "key", name=op.f("pk_decision")),
    )
    op.create_table(
        "form_card",
        sa.Column("portal_id", sa.Integer(), nullable=False),
        sa.Column("entity_type_id", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("participation_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participation_id"],
            ["participation.id"],
            name=op.f("fk_form_card_participation_id_participation"),
        ),
        sa.ForeignKeyConstraint(["portal_id"], ["portal.id"], name=op.f("fk_form_card_portal_id_portal")),
        sa.PrimaryKeyConstraint("portal_id", "entity_type_id", "item_id", name=op.f("pk_form_card")),
    )
    op.create_index("ix_form_card_participation", "form_card", ["participation_id"])


def downgrade() -> None:
    """Take this revision back."""
    op.drop_index("ix_form_card_participation", table_name="form_card")
    op.drop_table("form_card")
    op.drop_table("decision")
    op.drop_table("channel")
    op.drop_column("person", "company_candidates")
    op.drop_column("person", "merged_into")
    op.drop_column("scan", "skew_s")
    op.drop_column("device", "app_version")
    op.drop_column("device", "skew_s")
    op.drop_column("device", "queue")
    op.drop_column("participation", "passages")
    op.drop_column("event", "gates")
    op.drop_table("finding")
    op.drop_column("portal", "probes")
    op.drop_column("portal", "probe_at")
    op.drop_column("portal", "application")
