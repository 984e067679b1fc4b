"""Our two smart processes: found by our marker, made when there are none, related and linked to tasks.

Sources: crm/universal/user-defined-object-types/*.md, crm/universal/userfieldconfig/*.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from b24.errors import Rejected, SetupMissing
from smart_process.provision.workplace import Report, SetupProblem, Workplace
from smart_process.schema import MARKER, TYPES, TypeSpec, Words, marker_id, userfield_entity, userfield_name

_REQUIRED = ("isStagesEnabled", "isClientEnabled", "isUseInUserfieldEnabled")
"""Settings we cannot work without; the others are only what a new type starts with."""


def make_types(w: Workplace) -> Report:
    """Find or make both smart processes and put our marker on them."""
    report = Report()
    for spec in TYPES.values():
        existing = {
            int(row["entityTypeId"]): row for row in w.client.listed("crm.type.list", rows_at="types")
        }
        row = _find(w, spec, existing)
        if row is None:
            row = _make(w, spec, existing)
            report.made.append(str(row["title"]))
        else:
            report.found.append(str(row["title"]))
        _remember(w, spec, row)
        _mark(w, spec)
    return report


def relate_types(w: Workplace) -> Report:
    """Unite our settings, relations and links with those the types have, and check that they were taken."""
    report = Report()
    for spec in TYPES.values():
        row = _read(w, spec)
        wanted = _missing(w, spec, row)
        if not wanted:
            report.found.append(str(row["title"]))
            continue
        w.client.call("crm.type.update", {"id": row["id"], "fields": wanted}, write=True)
        # Errors in relations are silent: only reading back tells.
        if _missing(w, spec, _read(w, spec)):
            raise SetupProblem(
                Words(
                    f"Портал не сохранил связи смарт-процесса «{row['title']}». Проверьте, что у вас "
                    "есть право "
                    "менять настройки CRM, и повторите.",
                    f"The portal did not keep the relations of “{row['title']}”. Check that you may "
                    "change CRM "
                    "settings and try again.",
                    f"Портал «{row['title']}» смарт-процесінің байланыстарын сақтамады. CRM "
                    "баптауларын өзгерту "
                    "құқығын тексеріп, қайталаңыз.",
                ),
                "relations",
            )
        report.changed.append(str(row["title"]))
    return report


def _find(w: Workplace, spec: TypeSpec, existing: Mapping[int, dict[str, Any]]) -> dict[str, Any] | None:
    """Ours by what we noted, else by the marker, else by the number reserved for an interrupted "
    "creation."""
    noted = w.types.get(spec.key)
    if noted and int(noted["entity_type_id"]) in existing:
        return existing[int(noted["entity_type_id"])]
    by_id = {int(row["id"]): row for row in existing.values()}
    marked = [by_id[one] for one in _marked_type_ids(w, spec) if one in by_id]
    if marked:
        return marked[0]
    reserved = existing.get(int(w.book.notes.get("reserved", {}).get(spec.key, 0)))
    # The title guards against a type a person happened to make under the number meanwhile.
    titles = (spec.title.ru, spec.title.en, spec.title.kk)
    return reserved if reserved and reserved["title"] in titles else None


def _marked_type_ids(w: Workplace, spec: TypeSpec) -> list[int]:
    wanted = marker_id(spec.key, MARKER)
    rows = w.client.listed(
        "userfieldconfig.list",
        {
            "moduleId": "crm",
            "select": {"0": "id", "1": "entityId", "2": "fieldName", "3": "xmlId"},
            "filter": {"xmlId": wanted},
            "order": {"id": "ASC"},
        },
        rows_at="fields",
    )
    owners = [str(row.get("entityId", "")) for row in rows if row.get("xmlId") == wanted]
    return [int(owner[4:]) for owner in owners if owner.startswith("CRM_") and owner[4:].isdecimal()]


def _make(w: Workplace, spec: TypeSpec, existing: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    number = _free_number(existing)
    # Noted before it is used: if the answer is lost, the type under this number is ours.
    w.book.notes.setdefault("reserved", {})[spec.key] = number
    w.book.notes["stages_done"] = [key for key in w.book.notes.get("stages_done", []) if key != spec.key]
    w.book.keep()
    fields = {
        "title": spec.title.get(w.language),
        "entityTypeId": number,
        **spec.settings,
        # Who sees people's names is the administrator's choice; an event is no secret.
        "isSetOpenPermissions": "N" if w.book.notes.get("closed") and spec.key == "participation" else "Y",
        "linkedUserFields": dict.fromkeys(spec.linked, "true"),
    }
    made = w.client.call("crm.type.add", {"fields": fields}, write=True)
    row: dict[str, Any] = made["type"]
    return row


def _free_number(existing: Mapping[int, Any]) -> int:
    """An ``entityTypeId`` nobody has: even, from 1030, some way above the portal's own numbering."""
    highest = max((number for number in existing if number >= 1030), default=1028)
    return highest + highest % 2 + 2 * (1 + secrets.randbelow(40))


def _remember(w: Workplace, spec: TypeSpec, row: Mapping[str, Any]) -> None:
    number = int(row["entityTypeId"])
    known = {
        "id": int(row["id"]),
        "entity_type_id": number,
        "category_id": _category(w, number),
        "title": str(row["title"]),
    }
    if w.types.get(spec.key) != known:
        w.types[spec.key] = known
        w.book.keep()


def _category(w: Workplace, entity_type_id: int) -> int:
    """Id of the default funnel: every type has one, also where people cannot make others.

    Source: crm/universal/category/crm-category-list.md, crm/status/crm-status-entity-types.md.
    """
    try:
        rows = w.client.call("crm.category.list", {"entityTypeId": entity_type_id})["categories"]
    except (Rejected, SetupMissing):
        # Portals that count funnels off as "not supported" still name the one funnel with its stages.
        named = w.client.call("crm.status.entity.types", {})
        rows = [{"id": row["CATEGORY_ID"]} for row in named if row.get("ENTITY_TYPE_ID") == entity_type_id]
    default = next((row for row in rows if row.get("isDefault") in ("Y", True)), rows[0])
    return int(default["id"])


def _mark(w: Workplace, spec: TypeSpec) -> None:
    known = w.types[spec.key]
    declared = next(one for one in spec.fields if one.name == MARKER)
    name = userfield_name(known["id"], declared.code)
    uppers = {str(one.get("upperName")) for one in w.item_fields(known["entity_type_id"]).values()}
    if name in uppers:
        return
    w.client.call(
        "userfieldconfig.add",
        {
            "moduleId": "crm",
            "field": {
                "entityId": userfield_entity(known["id"]),
                "fieldName": name,
                "userTypeId": "string",
                "xmlId": marker_id(spec.key, MARKER),
                "editFormLabel": declared.label.map(),
            },
        },
        write=True,
    )


def _read(w: Workplace, spec: TypeSpec) -> dict[str, Any]:
    row: dict[str, Any] = w.client.call("crm.type.get", {"id": w.types[spec.key]["id"]})["type"]
    return row


def _missing(w: Workplace, spec: TypeSpec, row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a ``crm.type.update`` that would bring the type to what we need; empty: nothing."""
    wanted: dict[str, Any] = {
        name: "Y" for name in _REQUIRED if spec.settings.get(name) == "Y" and not _on(row.get(name))
    }
    relations = _relations(w, spec, row)
    if relations:
        wanted["relations"] = relations
    linked = row.get("linkedUserFields") or {}
    if not all(_on(linked.get(name)) for name in spec.linked):
        kept = {name: "true" if _on(value) else "false" for name, value in linked.items()}
        wanted["linkedUserFields"] = kept | dict.fromkeys(spec.linked, "true")
        # Links are ignored without this flag beside them.
        wanted["isUseInUserfieldEnabled"] = "Y"
    return wanted


def _relations(w: Workplace, spec: TypeSpec, row: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Both sides with ours added, as ``crm.type.update`` wants them; empty when nothing is missing."""
    known = row.get("relations") or {}
    ours = {"parent": spec.parents, "child": spec.children}
    sides: dict[str, list[dict[str, Any]]] = {}
    complete = True
    for side, keys in ours.items():
        rows = [one for one in known.get(side) or [] if not _on(one.get("isPredefined"))]
        there = {int(one["entityTypeId"]): _on(one.get("isChildrenListEnabled")) for one in rows}
        wanted = {_number(w, key) for key in keys}
        complete = complete and wanted <= set(there)
        united = {**dict.fromkeys(sorted(wanted), True), **there}
        sides[side] = [
            {"entityTypeId": number, "isChildrenListEnabled": "true" if shown else "false"}
            for number, shown in united.items()
        ]
    return {} if complete else sides


def _number(w: Workplace, key: str) -> int:
    return int(key) if key.isdecimal() else int(w.types[key]["entity_type_id"])


def _on(value: Any) -> bool:
    return value in ("Y", True, "true", "1", 1)
