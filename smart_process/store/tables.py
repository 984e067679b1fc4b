"""Tables of the domain. CRM ids (``item_id``, ``contact_id``…) are the portal's; every other id is ours."""

from __future__ import annotations

import sqlalchemy as sa

from b24.store.engine import UtcTime
from b24.store.tables import metadata, portal_ref

setup = sa.Table(
    "setup",
    metadata,
    # What provisioning found or made in this portal (smart_process.schema.Binding) and what administrators chose
    # (smart_process.settings.Settings), both as JSON.
    portal_ref(primary_key=True),
    sa.Column("binding", sa.JSON, nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),
    # When everything we know by id was last looked for in the portal.
    sa.Column("compared_at", UtcTime),
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    portal_ref(),
    sa.Column("item_id", sa.Integer, nullable=False),
    # In public links; random, unique over all portals.
    sa.Column("code", sa.String(32), nullable=False, unique=True),
    sa.Column("title", sa.String(255), nullable=False),
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("starts_at", UtcTime),
    sa.Column("ends_at", UtcTime),
    sa.Column("time_zone", sa.String(64), nullable=False),
    sa.Column("place", sa.String(255), nullable=False, server_default=""),
    sa.Column("capacity", sa.Integer),
    sa.Column("product_lines", sa.JSON, nullable=False),
    sa.Column("sender", sa.String(255), nullable=False, server_default=""),
    sa.Column("responsible_id", sa.Integer),
    # Gates organisers defined: [{"name", "kind", "flag", "reentry"}, …] (smart_process.admission.Gate).
    sa.Column("gates", sa.JSON, nullable=False, server_default="[]"),
    # Closing is armed: when it will run; and when it did.
    sa.Column("closing_at", UtcTime),
    sa.Column("closed_at", UtcTime),
    sa.Column("removed_at", UtcTime),
    # Last values read from or confirmed by the portal, by our field names.
    sa.Column("shadow", sa.JSON, nullable=False),
    sa.UniqueConstraint("portal_id", "item_id"),
)

person = sa.Table(
    "person",
    metadata,
    # One human being of one portal as far as we know; several CRM cards may still stand behind it.
    sa.Column("id", sa.Integer, primary_key=True),
    portal_ref(),
    # originId of a contact we create.
    sa.Column("uid", sa.String(32), nullable=False, unique=True),
    sa.Column("last_name", sa.String(120), nullable=False, server_default=""),
    sa.Column("first_name", sa.String(120), nullable=False, server_default=""),
    sa.Column("position", sa.String(160), nullable=False, server_default=""),
    sa.Column("company_name", sa.String(255), nullable=False, server_default=""),
    # Normalised: lower-case address, E.164 number; "" when unknown.
    sa.Column("email", sa.String(254), nullable=False, server_default=""),
    sa.Column("phone", sa.String(20), nullable=False, server_default=""),
    sa.Column("contact_id", sa.Integer),
    sa.Column("company_id", sa.Integer),
    # new (to be looked up) | lost (its contact was deleted: looked up, not made again) | matched | created |
    # undecided (a person in the portal decides) | none (no card is made)
    sa.Column("match", sa.String(16), nullable=False, server_default="new"),
    # Why it is undecided: [{"contact_id", "reason"}, …]
    sa.Column("candidates", sa.JSON, nullable=False),
    # Cards whose name is the named company's and nothing more is known: [{"company_id", "reason"}, …]
    sa.Column("company_candidates", sa.JSON, nullable=False, server_default="[]"),
    # Turned out to be this other person of ours.
    sa.Column("merged_into", sa.Integer),
    sa.Index("ix_person_email", "portal_id", "email"),
    sa.Index("ix_person_phone", "portal_id", "phone"),
    sa.Index("ix_person_contact", "portal_id", "contact_id"),
    sa.Index("ix_person_company", "portal_id", "company_id"),
    sa.Index("ix_person_match", "portal_id", "match"),
)

channel = sa.Table(
    "channel",
    metadata,
    # Further addresses and numbers a person was met under, normalised as in ``person``.
    portal_ref(primary_key=True),
    sa.Column("value", sa.String(254), primary_key=True),
    sa.Column("person_id", sa.ForeignKey("person.id"), primary_key=True),
)

decision = sa.Table(
    "decision",
    metadata,
    # What somebody in the portal decided about a description: the same one is decided the same way without asking.
    portal_ref(primary_key=True),
    # person:… or company:… and a hash of what was described (smart_process.identities).
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("person_id", sa.ForeignKey("person.id"), nullable=False),
    # card (this one) | new (a card is made) | none (no card is made)
    sa.Column("answer", sa.String(12), nullable=False),
    sa.Column("contact_id", sa.Integer),
    sa.Column("company_id", sa.Integer),
    sa.Column("actor", sa.String(40), nullable=False),
    sa.Column("at", UtcTime, nullable=False),
)

form_card = sa.Table(
    "form_card",
    metadata,
    # A lead or deal that a mapped CRM form made, and whom it registered.
    portal_ref(primary_key=True),
    sa.Column("entity_type_id", sa.Integer, primary_key=True),
    sa.Column("item_id", sa.Integer, primary_key=True),
    sa.Column("participation_id", sa.ForeignKey("participation.id"), nullable=False),
    sa.Index("ix_form_card_participation", "participation_id"),
)

company = sa.Table(
    "company",
    metadata,
    # A company we had to create: unified by its normalised name before anything is sent.
    sa.Column("id", sa.Integer, primary_key=True),
    portal_ref(),
    sa.Column("uid", sa.String(32), nullable=False, unique=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("name_key", sa.String(255), nullable=False),
    sa.Column("company_id", sa.Integer),
    sa.UniqueConstraint("portal_id", "name_key"),
)

participation = sa.Table(
    "participation",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    portal_ref(),
    sa.Column("event_id", sa.ForeignKey("event.id"), nullable=False),
    sa.Column("person_id", sa.ForeignKey("person.id"), nullable=False),
    # xmlId of the CRM item; item_id is NULL until the item exists.
    sa.Column("uid", sa.String(32), nullable=False, unique=True),
    sa.Column("item_id", sa.Integer),
    # 128 random bits, 22 URL-safe characters: behind the ticket link and the QR.
    sa.Column("ticket", sa.String(22), nullable=False, unique=True),
    # The personal, prefilled registration link (`?i=`).
    sa.Column("invitation", sa.String(22), nullable=False, unique=True),
    # Projection of the facts (smart_process.facts.State); never written by hand.
    sa.Column("stage", sa.String(16), nullable=False),
    # Bit n: Stage.PATH[n] was ever reached.
    sa.Column("reached", sa.Integer, nullable=False, server_default="0"),
    sa.Column("registered_at", UtcTime),
    sa.Column("arrived_at", UtcTime),
    sa.Column("gate", sa.String(64), nullable=False, server_default=""),
    sa.Column("device", sa.String(64), nullable=False, server_default=""),
    sa.Column("source", sa.String(32), nullable=False, server_default=""),
    # {"quote_requested": true, …}: flags that are on.
    sa.Column("flags", sa.JSON, nullable=False),
    sa.Column("product_lines", sa.JSON, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    # {area: {"first", "last", "inside"}}: who passed which gate, beside the first arrival (facts.Passage).
    sa.Column("passages", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("consent_version", sa.String(32), nullable=False, server_default=""),
    sa.Column("consent_at", UtcTime),
    sa.Column("cancelled", sa.Boolean, nullable=False, server_default=sa.false()),
    # The outcome that speaks for this participation, if any.
    sa.Column("outcome_id", sa.Integer),
    sa.Column("removed_at", UtcTime),
    sa.Column("merged_into", sa.Integer),
    # Last values confirmed by the portal, by our field names; and those of a write whose answer is unknown.
    sa.Column("shadow", sa.JSON, nullable=False),
    sa.Column("inflight", sa.JSON),
    sa.Index("ix_participation_item", "portal_id", "item_id"),
    sa.Index(
        "ix_participation_funnel", "event_id", "removed_at", "merged_into", "stage", "reached", "source"
    ),
    sa.Index(
        "uq_participation_person",
        "event_id",
        "person_id",
        unique=True,
        sqlite_where=sa.text("merged_into IS NULL AND removed_at IS NULL"),
        postgresql_where=sa.text("merged_into IS NULL AND removed_at IS NULL"),
    ),
)

fact = sa.Table(
    "fact",
    metadata,
    # Append-only journal; order of id is the order in which we learned things.
    sa.Column("id", sa.Integer, primary_key=True),
    portal_ref(),
    sa.Column("participation_id", sa.ForeignKey("participation.id"), nullable=False),
    sa.Column("kind", sa.String(24), nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("known_at", UtcTime, nullable=False),
    # "guest", "app", "device:12", "user:5"
    sa.Column("actor", sa.String(40), nullable=False),
    sa.Column("gate", sa.String(64), nullable=False, server_default=""),
    # Idempotency: the same key again is the same fact.
    sa.Column("key", sa.String(160), nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.UniqueConstraint("participation_id", "key"),
)

enrolment = sa.Table(
    "enrolment",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    portal_ref(),
    sa.Column("event_id", sa.ForeignKey("event.id"), nullable=False),
    # SHA-256 of the 128-bit code in the link.
    sa.Column("code_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("gates", sa.JSON, nullable=False),
    # scan | supervise
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("uses_left", sa.Integer, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("created_by", sa.String(40), nullable=False),
)

device = sa.Table(
    "device",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    portal_ref(),
    sa.Column("event_id", sa.ForeignKey("event.id"), nullable=False),
    sa.Column("enrolment_id", sa.ForeignKey("enrolment.id"), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("gates", sa.JSON, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.Column("revoked_at", UtcTime),
    # Written once a minute, outside the scan's transaction.
    sa.Column("last_seen_at", UtcTime),
    # As the phone told with its last contact: entries it still keeps, how far its clock is ahead, its program.
    sa.Column("queue", sa.Integer),
    sa.Column("skew_s", sa.Integer),
    sa.Column("app_version", sa.String(32), nullable=False, server_default=""),
    sa.Column("created_at", UtcTime, nullable=False),
)

scan = sa.Table(
    "scan",
    metadata,
    # Every scan with the verdict it got, refused ones too; the same scan_id of a device gets the same verdict.
    sa.Column("device_id", sa.ForeignKey("device.id"), primary_key=True),
    # 32 hex digits without hyphens.
    sa.Column("scan_id", sa.String(32), primary_key=True),
    portal_ref(),
    sa.Column("participation_id", sa.ForeignKey("participation.id")),
    sa.Column("gate", sa.String(64), nullable=False),
    # entry | exit
    sa.Column("direction", sa.String(8), nullable=False, server_default="entry"),
    sa.Column("verdict", sa.String(24), nullable=False),
    sa.Column("first_admitted_at", UtcTime),
    # By the device's clock, which was this much ahead of ours when it sent the scan.
    sa.Column("scanned_at", UtcTime, nullable=False),
    sa.Column("skew_s", sa.Integer, nullable=False, server_default="0"),
    sa.Column("received_at", UtcTime, nullable=False),
    # The few that wait for a person.
    sa.Index(
        "ix_scan_conflict",
        "device_id",
        "received_at",
        sqlite_where=sa.text("verdict = 'conflict'"),
        postgresql_where=sa.text("verdict = 'conflict'"),
    ),
)

outcome = sa.Table(
    "outcome",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    portal_ref(),
    sa.Column("event_id", sa.ForeignKey("event.id"), nullable=False),
    # originId of the deal; last line of the task's description.
    sa.Column("uid", sa.String(32), nullable=False, unique=True),
    # "company:17" (CRM id) or "person:5" (ours)
    sa.Column("subject", sa.String(40), nullable=False),
    # deal | task
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("rule", sa.String(64), nullable=False),
    sa.Column("rules_version", sa.Integer, nullable=False),
    # high | medium | low
    sa.Column("priority", sa.String(8), nullable=False),
    # live | superseded | withdrawn | removed (a person deleted it: a decision) | beside (a person's second deal)
    sa.Column("state", sa.String(16), nullable=False),
    # Deal or task id in the portal.
    sa.Column("item_id", sa.Integer),
    sa.Column("todo_id", sa.Integer),
    sa.Column("owner_id", sa.Integer),
    sa.Column("title", sa.String(255), nullable=False),
    sa.Column("explanation", sa.Text, nullable=False),
    sa.Column("deadline", UtcTime, nullable=False),
    # Participation ids it speaks for, product lines, contacts: what the deal or task carries.
    sa.Column("content", sa.JSON, nullable=False),
    # A person worked on it: never withdrawn silently.
    sa.Column("touched", sa.Boolean, nullable=False, server_default=sa.false()),
    # won | lost | NULL: what became of the deal or task.
    sa.Column("result", sa.String(8)),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("shadow", sa.JSON, nullable=False),
    sa.Index(
        "uq_outcome_live",
        "event_id",
        "subject",
        unique=True,
        sqlite_where=sa.text("state = 'live'"),
        postgresql_where=sa.text("state = 'live'"),
    ),
    sa.Index("ix_outcome_item", "portal_id", "kind", "item_id"),
    sa.Index("ix_outcome_subject", "event_id", "subject"),
)

message = sa.Table(
    "message",
    metadata,
    # One mail to one guest. Its text is composed when it is sent, from what is true then.
    sa.Column("id", sa.Integer, primary_key=True),
    portal_ref(),
    sa.Column("participation_id", sa.ForeignKey("participation.id"), nullable=False),
    # invitation | ticket | materials | missed
    sa.Column("kind", sa.String(16), nullable=False),
    # Makes "the same mail twice" impossible and "send again" possible: "1", "2", …
    sa.Column("number", sa.Integer, nullable=False, server_default="1"),
    # waiting | sending | sent | possibly (no answer after the final dot) | failed
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("to_address", sa.String(254), nullable=False, server_default=""),
    sa.Column("message_id", sa.String(120), nullable=False, unique=True),
    sa.Column("error", sa.Text, nullable=False, server_default=""),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("sent_at", UtcTime),
    sa.UniqueConstraint("participation_id", "kind", "number"),
)

effect = sa.Table(
    "effect",
    metadata,
    # What is said once in the portal and is not state: a timeline comment, a notification.
    sa.Column("id", sa.Integer, primary_key=True),
    portal_ref(),
    # comment | notify
    sa.Column("kind", sa.String(12), nullable=False),
    sa.Column("key", sa.String(120), nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("done_at", UtcTime),
    sa.UniqueConstraint("portal_id", "key"),
)

colleague = sa.Table(
    "colleague",
    metadata,
    # Users of the portal and their departments' heads, refreshed by the sync: who may own an outcome.
    portal_ref(primary_key=True),
    sa.Column("user_id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(160), nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    # Head of the (first) department, NULL when they are the head or there is none.
    sa.Column("head_id", sa.Integer),
    sa.Column("read_at", UtcTime, nullable=False),
)

account = sa.Table(
    "account",
    metadata,
    # What rules and the door need to know of a CRM company: segment and responsible.
    portal_ref(primary_key=True),
    sa.Column("company_id", sa.Integer, primary_key=True),
    sa.Column("title", sa.String(255), nullable=False),
    # high | medium | low | ""
    sa.Column("potential", sa.String(16), nullable=False, server_default=""),
    sa.Column("cooperation", sa.String(64), nullable=False, server_default=""),
    sa.Column("region", sa.String(64), nullable=False, server_default=""),
    sa.Column("responsible_id", sa.Integer),
    sa.Column("read_at", UtcTime, nullable=False),
    # When it was found deleted: it still holds its guests together, and is written to no card.
    sa.Column("gone_at", UtcTime),
)

watermark = sa.Table(
    "watermark",
    metadata,
    # Largest portal time read per object type; never our own clock.
    portal_ref(primary_key=True),
    sa.Column("entity_type_id", sa.Integer, primary_key=True),
    sa.Column("updated_time", sa.String(40), nullable=False),
)

finding = sa.Table(
    "finding",
    metadata,
    # What is wrong with a portal's objects, noticed by a comparison: kept for the moment it began.
    portal_ref(primary_key=True),
    # "check:…" by smart_process.checkup, "twin:…" by a look-up that found two objects with one key.
    sa.Column("key", sa.String(120), primary_key=True),
    sa.Column("since", UtcTime, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
)
