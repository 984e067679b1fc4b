"""An item as the portal shows it and as we would have it, in one normal form. Pure.

A *picture* maps our field names to plain JSON values: stage keys, ISO moments in UTC, bools, ints, sorted lists,
``""`` for nothing. Portal values are turned into it by :func:`read`, and back by :func:`encode`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from smart_process.schema import FLAGS, TYPES, FieldSpec, TypeBinding, flag_field

Picture = dict[str, Any]

SYSTEM = {
    "title": "title",
    "xml_id": "xmlId",
    "contact_ids": "contactIds",
    "company_id": "companyId",
    "responsible_id": "assignedById",
}
"""Our names of the portal's own fields that take part in the comparison."""


def moment(value: Any) -> str:
    """An aware datetime or a portal's ISO text as UTC with whole seconds; ``""`` for nothing."""
    if not value:
        return ""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return at.astimezone(UTC).replace(microsecond=0).isoformat()


FORM_TITLE = "_form_title"
"""In a shadow: the title a form gave the card."""
FORM_CLIENT = "_form_client"
"""In a shadow: the contact and company a form took its guest for, who is somebody else."""
GONE_CONTACTS = "_gone_contacts"
"""In a shadow: contacts of the guest that were deleted. Where one still shows, we put it there ourselves, too late."""
EDITED = "_edited"
"""In a shadow: values somebody typed into fields that the app fills, until they are written back."""
CLIENT = ("contact_ids", "company_id")
EVENT_FIELDS = {spec.name: spec for spec in TYPES["event"].fields}
PARTICIPATION_FIELDS = {spec.name: spec for spec in TYPES["participation"].fields}


BY_APP = frozenset(spec.name for spec in TYPES["participation"].fields if spec.by_app)


def note_edited(shadow: Picture, inflight: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Note in the shadow what somebody typed into fields that the app fills; emptying one loses nothing."""
    typed = {
        name: value
        for name, value in now.items()
        if name in BY_APP and value and name in shadow and value not in (shadow[name], inflight.get(name))
    }
    if typed:
        shadow[EDITED] = {**shadow.get(EDITED, {}), **typed}


def number(value: Any) -> int:
    """A portal id, 0 for any spelling of nothing."""
    text = str(value or "0")
    return int(text) if text.lstrip("-").isdigit() else 0


def read(kind: TypeBinding, fields: Mapping[str, FieldSpec], item: Mapping[str, Any]) -> Picture:
    """The picture of an item as ``crm.item.list`` or ``crm.item.get`` gave it; unnamed fields are left out."""
    stages = {code: key for key, code in kind.stages.items()}
    seen: Picture = {}
    if "stageId" in item:
        seen["stage"] = stages.get(item["stageId"], f"portal:{item['stageId']}")
    for ours, theirs in SYSTEM.items():
        if theirs in item:
            seen[ours] = _system(ours, item[theirs])
    for name, declared in fields.items():
        theirs = kind.fields.get(name, "")
        if theirs in item:
            seen[name] = _typed(declared, item[theirs], kind.enums.get(name, {}))
    return seen


def _system(name: str, value: Any) -> Any:
    if name == "contact_ids":
        return sorted(number(one) for one in value or [] if number(one))
    return number(value) if name.endswith("_id") and name != "xml_id" else str(value or "")


def _typed(declared: FieldSpec, value: Any, enum: Mapping[str, int]) -> Any:
    if declared.multiple:
        return sorted(str(one) for one in value or [] if one not in ("", None))
    if declared.kind == "boolean":
        return value in ("Y", True, 1, "1")
    if declared.kind == "datetime":
        return moment(value)
    if declared.kind == "integer":
        return number(value)
    if declared.kind == "enumeration":
        return {str(option): key for key, option in enum.items()}.get(str(value), "")
    return str(value or "").strip()


def encode(kind: TypeBinding, fields: Mapping[str, FieldSpec], picture: Mapping[str, Any]) -> dict[str, Any]:
    """A picture (or part of one) as ``fields`` of ``crm.item.add`` and ``crm.item.update``.

    ``categoryId`` goes with every stage: without it an update may move the item to the main funnel
    (Source: crm/universal/crm-item-update).
    """
    out: dict[str, Any] = {}
    for name, value in picture.items():
        if name == "stage":
            out |= {"stageId": kind.stages[value], "categoryId": kind.category_id}
        elif name in SYSTEM:
            out[SYSTEM[name]] = value
        elif name in kind.fields:
            out[kind.fields[name]] = _portal_value(fields[name], value, kind.enums.get(name, {}))
    return out


def _portal_value(declared: FieldSpec, value: Any, enum: Mapping[str, int]) -> Any:
    if declared.multiple:
        return list(value)
    if declared.kind == "boolean":
        return "Y" if value else "N"
    if declared.kind == "enumeration":
        return enum.get(value, "")
    if declared.kind == "integer":
        return value or ""
    return value


def note_form_title(shadow: Picture, item: Mapping[str, Any]) -> None:
    """A form's card arrives as «Заполнение CRM-формы …»: the portal's words, not a person's. Noted at first sight."""
    if number(item.get("webformId")) and "title" not in shadow:
        shadow[FORM_TITLE] = str(item.get("title") or "")


def title_is_theirs(shadow: Mapping[str, Any]) -> bool:
    """Whether the card has a title of its own: what people called it stays."""
    title = shadow.get("title", "")
    return bool(title) and title != shadow.get(FORM_TITLE)


def difference(ours: Mapping[str, Any], shadow: Mapping[str, Any]) -> Picture:
    """What has to be written so that the portal shows our picture."""
    return {name: value for name, value in ours.items() if shadow.get(name, _empty(value)) != value}


def _empty(value: Any) -> Any:
    return type(value)()


def select(kind: TypeBinding, parents: tuple[int, ...] = ()) -> list[str]:
    """Every field named, because lists leave service fields out unless asked (trap 50)."""
    system = ["id", "stageId", "categoryId", *SYSTEM.values(), "contactId", "createdTime", "updatedTime"]
    system += ["createdBy", "updatedBy", "movedBy", "movedTime", "webformId", "sourceId"]
    return [*system, *(f"parentId{eti}" for eti in parents), *kind.fields.values()]


def participation(row: Mapping[str, Any], *, ticket_link: str) -> Picture:
    """Our picture of a participation.

    Args:
        row: columns of participation, with the person's, the event's and the outcome's that belong to it, as
            ``smart_process.store.sync.participations`` gives them.
    """
    name = " ".join(part for part in (row["last_name"], row["first_name"]) if part)
    ours: Picture = {
        "title": f"{name} – {row['event_title']}" if name else row["event_title"],
        "xml_id": row["uid"],
        "stage": row["stage"],
        "registered_at": moment(row["registered_at"]),
        "arrived_at": moment(row["arrived_at"]),
        "gate": row["gate"],
        "device": row["device"],
        "source": row["source"],
        "product_lines": sorted(row["product_lines"]),
        "note": row["note"],
        "ticket_link": ticket_link if row["registered_at"] else "",
        "consent_version": row["consent_version"],
        "consent_at": moment(row["consent_at"]),
        "priority": row["priority"] or "",
        "explanation": row["explanation"] or "",
    }
    ours |= {flag_field(flag): bool(row["flags"].get(flag)) for flag in FLAGS}
    return ours


def event(row: Mapping[str, Any], *, registration_link: str) -> Picture:
    """What we keep up on an event's card; the rest of it belongs to the organiser."""
    return {
        "registration_link": registration_link,
        "code": row["code"],
        "local_time": local_time(row["starts_at"], row["ends_at"], row["time_zone"]),
    }


def local_time(starts_at: datetime | None, ends_at: datetime | None, zone: str) -> str:
    """The event's hours as its guests read them: ``12.05.2026 10:00–18:00 (Asia/Almaty)``."""
    if starts_at is None:
        return ""
    start = starts_at.astimezone(ZoneInfo(zone))
    text = f"{start:%d.%m.%Y %H:%M}"
    if ends_at is not None:
        end = ends_at.astimezone(ZoneInfo(zone))
        text += f"–{end:%H:%M}" if end.date() == start.date() else f" – {end:%d.%m.%Y %H:%M}"
    return f"{text} ({zone})"
