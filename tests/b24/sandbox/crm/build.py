"""Making CRM objects through REST, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.b24.sandbox.client import Rest

KINDS = {
    "NOTE": "string", "COUNT": "integer", "SHARE": "double", "CLOSED": "boolean", "DAY": "date",
    "ARRIVED": "datetime", "SUM": "money", "LINK": "url", "OWNER": "employee", "CLIENT": "crm",
    "PLAN": "file",
}  # fmt: skip


@dataclass(frozen=True)
class Built:
    """entityTypeId, type id and first funnel of both smart processes, and the options of the list field."""

    event: int
    event_type: int
    event_funnel: int
    participation: int
    participation_type: int
    participation_funnel: int
    options: dict[str, int]

    def uf(self, code: str) -> str:
        """REST name of a custom field of the participation: ``ufCrm2Note``."""
        return f"ufCrm{self.participation_type}{code.capitalize()}"


def add_field(rest: Rest, type_id: int, code: str, kind: str, **more: Any) -> dict[str, Any]:
    """A custom field of a smart process."""
    field = {
        "entityId": f"CRM_{type_id}",
        "fieldName": f"UF_CRM_{type_id}_{code}",
        "userTypeId": kind,
        **more,
    }
    return dict(rest("userfieldconfig.add", {"moduleId": "crm", "field": field})["field"])


def build(rest: Rest) -> Built:
    """The two types with their relation and fields."""
    event = rest(
        "crm.type.add",
        {"fields": {"title": "Мероприятие", "isStagesEnabled": "Y", "isCategoriesEnabled": "Y"}},
    )["type"]
    relations = {
        "parent": [
            {"entityTypeId": event["entityTypeId"], "isChildrenListEnabled": "true"},
            {"entityTypeId": 2, "isChildrenListEnabled": "true"},
        ]
    }
    part = rest(
        "crm.type.add",
        {
            "fields": {
                "title": "Участие",
                "relations": relations,
                "linkedUserFields": {"TASKS_TASK|UF_CRM_TASK": "true"},
                **dict.fromkeys(
                    (
                        "isStagesEnabled", "isCategoriesEnabled", "isClientEnabled", "isSourceEnabled",
                        "isRecyclebinEnabled", "isUseInUserfieldEnabled", "isObserversEnabled",
                    ),
                    "Y",
                ),
            }
        },
    )["type"]  # fmt: skip
    for code, kind in KINDS.items():
        add_field(rest, part["id"], code, kind)
    lines = add_field(
        rest, part["id"], "LINES", "enumeration", multiple="Y",
        enum=[{"value": "Сети", "sort": 10}, {"value": "Хранение", "sort": 20}],
    )  # fmt: skip
    options = {each["value"]: int(each["id"]) for each in lines["enum"]}
    return Built(
        event=int(event["entityTypeId"]),
        event_type=int(event["id"]),
        event_funnel=funnel(rest, event),
        participation=int(part["entityTypeId"]),
        participation_type=int(part["id"]),
        participation_funnel=funnel(rest, part),
        options=options,
    )


def funnel(rest: Rest, made: dict[str, Any]) -> int:
    """The funnel a smart process begins with."""
    found = rest("crm.category.list", {"entityTypeId": made["entityTypeId"]})["categories"]
    return int(found[0]["id"])


def add(rest: Rest, entity_type_id: int, **fields: Any) -> dict[str, Any]:
    """A new item, as the portal shows it."""
    return dict(rest("crm.item.add", {"entityTypeId": entity_type_id, "fields": fields})["item"])


def get(rest: Rest, entity_type_id: int, item_id: int) -> dict[str, Any]:
    """An item."""
    return dict(rest("crm.item.get", {"entityTypeId": entity_type_id, "id": item_id})["item"])


def update(rest: Rest, entity_type_id: int, item_id: int, **fields: Any) -> dict[str, Any]:
    """Change an item."""
    params = {"entityTypeId": entity_type_id, "id": item_id, "fields": fields}
    return dict(rest("crm.item.update", params)["item"])


def ids(rest: Rest, entity_type_id: int, filter_: Any, **more: Any) -> list[int]:
    """Ids of the items a filter finds."""
    params = {"entityTypeId": entity_type_id, "filter": filter_, "select": ["id"], **more}
    return [each["id"] for each in rest("crm.item.list", params)["items"]]


def phone(value: str, kind: str = "WORK") -> dict[str, str]:
    """One phone for ``fm``."""
    return {"typeId": "PHONE", "valueType": kind, "value": value}


def email(value: str, kind: str = "WORK") -> dict[str, str]:
    """One address for ``fm``."""
    return {"typeId": "EMAIL", "valueType": kind, "value": value}
