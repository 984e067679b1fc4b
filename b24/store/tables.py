"""Tables of the protocol: portals with their tokens, marks, leases, the request bucket, the log of calls."""

from __future__ import annotations

import sqlalchemy as sa

from b24.store.engine import UtcTime

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def portal_ref(*, primary_key: bool = False) -> sa.Column[int]:
    """The tenant column every other table carries."""
    return sa.Column("portal_id", sa.ForeignKey("portal.id"), nullable=False, primary_key=primary_key)


portal = sa.Table(
    "portal",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    # Key of the tenant; a domain can be renamed, member_id cannot.
    sa.Column("member_id", sa.String(64), nullable=False, unique=True),
    sa.Column("client_endpoint", sa.String(255), nullable=False),
    # Encrypted with b24.secrets; never logged.
    sa.Column("access_token", sa.Text, nullable=False),
    sa.Column("refresh_token", sa.Text, nullable=False),
    sa.Column("application_token", sa.Text),
    sa.Column("token_expires_at", UtcTime, nullable=False),
    # The administrator whose rights background calls have.
    sa.Column("user_id", sa.Integer, nullable=False),
    sa.Column("scope", sa.Text, nullable=False, server_default=""),
    sa.Column("language", sa.String(8), nullable=False, server_default="ru"),
    # active | paused (access lost: say why in state_reason) | uninstalled
    sa.Column("state", sa.String(16), nullable=False, server_default="active"),
    sa.Column("state_reason", sa.Text, nullable=False, server_default=""),
    # "ID:CODE" of app.info: which application of the portal we are; NULL until it was asked.
    sa.Column("application", sa.String(160)),
    # Paused: when it is asked again whether it lets us in, and how often it was asked already.
    sa.Column("probe_at", UtcTime),
    sa.Column("probes", sa.Integer, nullable=False, server_default="0"),
    sa.Column("installed_at", UtcTime, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
)

mark = sa.Table(
    "mark",
    metadata,
    # One row per object that needs work; seq rises with every mark(), so work done meanwhile is not lost.
    portal_ref(primary_key=True),
    sa.Column("kind", sa.String(24), primary_key=True),
    sa.Column("key", sa.String(96), primary_key=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("due_at", UtcTime, nullable=False),
    sa.Column("marked_at", UtcTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    # Set while a create may be on its way: not repeated before it was looked up (design 3.1).
    sa.Column("sent_at", UtcTime),
    sa.Column("sent_fence", sa.Integer),
    # permanent | setup | internal: waits for a person; dropped: a person gave it up; NULL: runs by itself.
    sa.Column("held", sa.String(16)),
    sa.Column("held_at", UtcTime),
    # Who gave it up: a user id of the portal.
    sa.Column("held_by", sa.Integer),
    sa.Column("error", sa.Text),
    sa.Index("ix_mark_due", "portal_id", "held", "due_at"),
)

lease = sa.Table(
    "lease",
    metadata,
    portal_ref(primary_key=True),
    # drain | refresh: what the owner alone may do.
    sa.Column("name", sa.String(16), primary_key=True, server_default="drain"),
    sa.Column("owner", sa.String(64), nullable=False),
    # Rises with every change of owner: a stopped worker that wakes up sees that its number is old.
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("until", UtcTime, nullable=False),
)

bucket = sa.Table(
    "bucket",
    metadata,
    # GCRA: theoretical arrival time of the next request, seconds since the epoch.
    portal_ref(primary_key=True),
    sa.Column("tat", sa.Float, nullable=False),
    # Since the installation, for the operator: requests sent, answered 503 (bucket full) and 429 (budget of a method).
    sa.Column("calls", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("refused_full", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("refused_spent", sa.BigInteger, nullable=False, server_default="0"),
)

method_budget = sa.Table(
    "method_budget",
    metadata,
    # A method blocked by OPERATION_TIME_LIMIT rests until the portal's own reset time.
    portal_ref(primary_key=True),
    sa.Column("method", sa.String(64), primary_key=True),
    sa.Column("blocked_until", UtcTime, nullable=False),
)

rest_call = sa.Table(
    "rest_call",
    metadata,
    # One row per request to a portal, kept three days (b24.call_log); nothing secret or personal in it.
    sa.Column("id", sa.Integer, primary_key=True),
    portal_ref(),
    sa.Column("at", UtcTime, nullable=False),
    # "crm.item.list", or what was in a batch: "batch: crm.item.add ×12, crm.item.list".
    sa.Column("method", sa.String(400), nullable=False),
    sa.Column("params", sa.Text, nullable=False),
    # HTTP status; 0: no answer.
    sa.Column("status", sa.Integer, nullable=False),
    # The portal's codes and words; "" for a good answer.
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("ms", sa.Integer, nullable=False),
    sa.Index("ix_rest_call_portal", "portal_id", "id"),
    sa.Index("ix_rest_call_at", "at"),
)
