"""What a portal has to choose from on the settings page: fields, funnels, stages, colleagues, departments.

Everything is read with the administrator's own token when the page asks for it; nothing is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from b24.client import Client
from smart_process.schema import COMPANY, DEAL, Binding

Options = tuple[tuple[str, str], ...]
LISTS = ("enumeration", "crm_status")
TYPED = ("string", "integer", "double", "boolean", "date", "datetime", "url", "money", "user")
MOST_FOUND = 20
PAGE, MOST_PAGES = 50, 20


@dataclass(frozen=True)
class Field:
    """A field of a card: ``name`` as ``crm.item.*`` calls it, ``options`` of a list as ``(value, text)``."""

    name: str
    title: str
    kind: str
    options: Options = ()
    multiple: bool = False
    required: bool = False

    @property
    def fillable(self) -> bool:
        """Whether a value for it can be typed on the page."""
        return self.kind in LISTS or self.kind in TYPED


@dataclass(frozen=True)
class Colleague:
    """A user of the portal."""

    id: int
    name: str
    position: str = ""


def company_fields(client: Client) -> list[Field]:
    """Fields of a company that can hold a segment: lists, and texts people added.

    Source: crm/universal/crm-item-fields.md; crm/status/crm-status-list.md.
    """
    return [
        field
        for field, spec in _fields(client, COMPANY)
        if field.kind in LISTS or (field.kind == "string" and spec.get("isDynamic"))
    ]


def _fields(client: Client, entity_type_id: int) -> list[tuple[Field, Mapping[str, Any]]]:
    """Fields that can be written, with what the portal says of them."""
    specs = client.call("crm.item.fields", {"entityTypeId": entity_type_id})["fields"]
    directories: dict[str, list[tuple[str, str]]] = {}
    for one in client.call("crm.status.list", {"order": {"SORT": "ASC"}}):
        directories.setdefault(str(one["ENTITY_ID"]), []).append((str(one["STATUS_ID"]), str(one["NAME"])))
    return [
        (_field(name, spec, directories), spec) for name, spec in specs.items() if not spec.get("isReadOnly")
    ]


def _field(name: str, spec: Mapping[str, Any], directories: Mapping[str, Sequence[tuple[str, str]]]) -> Field:
    values: Sequence[tuple[str, str]] = [
        (str(one["ID"]), str(one["VALUE"])) for one in spec.get("items") or []
    ]
    values = directories.get(str(spec.get("statusType")), values)
    return Field(
        name=name,
        title=str(spec.get("title") or name),
        kind=str(spec["type"]),
        options=tuple(values) if spec["type"] in LISTS else (),
        multiple=bool(spec.get("isMultiple")),
        required=bool(spec.get("isRequired")),
    )


def funnels(client: Client) -> list[tuple[int, str]]:
    """Funnels of deals. Source: crm/universal/category/crm-category-list.md."""
    found = client.call("crm.category.list", {"entityTypeId": DEAL})["categories"]
    return [(int(one["id"]), str(one["name"])) for one in found]


def stages(client: Client, category_id: int) -> list[tuple[str, str]]:
    """Stages on which a deal of a funnel can be begun: those on the way, in order.

    Source: crm/status/crm-status-list.md (``SEMANTICS`` is null on the way).
    """
    directory = f"DEAL_STAGE_{category_id}" if category_id else "DEAL_STAGE"
    asked = {"filter": {"ENTITY_ID": directory}, "order": {"SORT": "ASC"}}
    found = client.call("crm.status.list", asked)
    return [
        (str(one["STATUS_ID"]), str(one["NAME"])) for one in found if one.get("SEMANTICS") not in ("S", "F")
    ]


_FILLED_BY_US = frozenset(
    "title categoryId stageId assignedById originatorId originId sourceDescription opened contactId contactIds "
    "companyId companyIds leadId quoteId previousStageId begindate closedate observers webformId utmSource utmMedium "
    "utmCampaign utmContent utmTerm taxValue mycompanyId".split()
)


def deal_fields(client: Client, binding: Binding) -> list[Field]:
    """Fields of a deal that the app does not fill itself, required ones first.

    REST tells only what every deal demands (``isRequired``); what a stage demands it keeps to itself.
    """
    found = [field for field, _spec in _fields(client, DEAL) if not _is_ours(field.name, binding)]
    return sorted(found, key=lambda one: (not one.required, one.title.casefold()))


def _is_ours(name: str, binding: Binding) -> bool:
    return (
        name in _FILLED_BY_US or name in binding.deal.fields.values() or name.lower().startswith("parentid")
    )


def unfilled(
    specs: Mapping[str, Mapping[str, Any]], binding: Binding, defaults: Mapping[str, Any]
) -> list[Field]:
    """Fields every deal must have that neither the app nor the settings fill: the portal would refuse our deals.

    Args:
        specs: ``fields`` of ``crm.item.fields`` for deals.
    """
    demanded = [
        _field(name, spec, {})
        for name, spec in specs.items()
        if spec.get("isRequired") and not spec.get("isReadOnly") and not _is_ours(name, binding)
    ]
    return sorted((one for one in demanded if one.name not in defaults), key=lambda one: one.title.casefold())


@dataclass(frozen=True)
class Submission:
    """A participation's card that a CRM form made."""

    item_id: int
    form_id: int
    created: str


def submissions(client: Client, binding: Binding, forms: Iterable[int] = ()) -> list[Submission]:
    """The latest cards made by CRM forms, of these forms or of any, newest first.

    Source: crm/universal/object-fields.md (``webformId``); no REST method names forms or lists their results.
    """
    wanted = sorted(forms)
    asked = {
        "entityTypeId": binding.participation.entity_type_id,
        "select": ["id", "webformId", "createdTime"],
        "order": {"id": "DESC"},
        "start": -1,
    }
    found: list[Submission] = []
    for _ in range(MOST_PAGES):
        where: dict[str, Any] = {"@webformId": wanted} if wanted else {">webformId": 0}
        if found:
            where["<id"] = found[-1].item_id
        rows = client.call("crm.item.list", asked | {"filter": where})["items"]
        found += [Submission(int(one["id"]), int(one["webformId"]), str(one["createdTime"])) for one in rows]
        if len(rows) < PAGE:
            break
    return found


def colleagues(client: Client, find: str) -> list[Colleague]:
    """Active colleagues by words of their name or position. Source: user/user-search.md (``FIND``)."""
    found = client.call("user.search", {"FILTER": {"FIND": find}})
    return [_colleague(one) for one in found[:MOST_FOUND]]


def by_ids(client: Client, ids: Iterable[int]) -> dict[int, Colleague]:
    """Active colleagues by id, as the viewer may read them. Source: user/user-get.md."""
    wanted = sorted(set(ids))
    found = client.call("user.get", {"FILTER": {"ID": wanted, "ACTIVE": True}}) if wanted else []
    return {int(one["ID"]): _colleague(one) for one in found}


def _colleague(user: Mapping[str, Any]) -> Colleague:
    name = " ".join(str(part) for part in (user.get("NAME"), user.get("LAST_NAME")) if part)
    return Colleague(int(user["ID"]), name or f"№ {user['ID']}", str(user.get("WORK_POSITION") or ""))


def departments(client: Client) -> list[tuple[int, str]]:
    """Departments by name. Source: departments/department-get.md."""
    found = client.listed("department.get", start_name="START")
    return sorted(((int(one["ID"]), str(one["NAME"])) for one in found), key=lambda one: one[1].casefold())
