"""What the portal consists of: object types with their addresses, funnels, stages, fields, colleagues.

Read through REST methods once per request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import abort, g

from b24.sandbox.crm.schema import read_schema
from b24.sandbox.kernel import Answer, RestError
from b24.sandbox.ui.desk import COMPANY, CONTACT, DEAL, LEAD, desk, every

T = TypeVar("T")

SLUGS = {"lead": LEAD, "deal": DEAL, "contact": CONTACT, "company": COMPANY}
TITLES = {LEAD: "Лиды", DEAL: "Сделки", CONTACT: "Контакты", COMPANY: "Компании"}
STAGED = (LEAD, DEAL)


@dataclass(frozen=True)
class Kind:
    """A type of CRM objects as pages address it; ``slug`` is ``deal`` or ``type/1030``."""

    entity_type_id: int
    title: str
    slug: str
    has_stages: bool
    has_categories: bool

    @property
    def home(self) -> str:
        """The page the left menu opens."""
        return f"/crm/{self.slug}/kanban/" if self.has_stages else f"/crm/{self.slug}/list/"

    def details(self, item_id: int | str) -> str:
        """Address of a card; id 0 is a new item."""
        return f"/crm/{self.slug}/details/{item_id}/"

    def place(self, where: str) -> str:
        """Code of a placement of this type: ``DETAIL_TAB``, ``LIST_MENU`` …"""
        if self.entity_type_id == DEAL and where == "FUNNELS_TOOLBAR":
            return "CRM_FUNNELS_TOOLBAR"
        name = {LEAD: "LEAD", DEAL: "DEAL", CONTACT: "CONTACT", COMPANY: "COMPANY"}.get(self.entity_type_id)
        return f"CRM_{name or f'DYNAMIC_{self.entity_type_id}'}_{where}"

    @property
    def timeline_type(self) -> str:
        """``ENTITY_TYPE`` of timeline comments."""
        names = {LEAD: "lead", DEAL: "deal", CONTACT: "contact", COMPANY: "company"}
        return names.get(self.entity_type_id, f"DYNAMIC_{self.entity_type_id}")

    @property
    def task_prefix(self) -> str:
        """How a task's CRM binding begins: ``D_``, ``C_`` … or ``T`` with the type in hexadecimal."""
        names = {LEAD: "L", DEAL: "D", CONTACT: "C", COMPANY: "CO"}
        return names.get(self.entity_type_id, f"T{self.entity_type_id:x}")


@dataclass(frozen=True)
class Stage:
    """A column of the kanban; ``semantics`` is ``process``, ``success`` or ``failure``."""

    id: str
    name: str
    color: str
    semantics: str


def remembered(key: tuple[Any, ...], read: Callable[[], T]) -> T:
    """The value read once per request."""
    cache: dict[tuple[Any, ...], Any] = g.setdefault("structure", {})
    if key not in cache:
        cache[key] = read()
    found: T = cache[key]
    return found


def classic_kind(entity_type_id: int) -> Kind:
    """Leads, deals, contacts or companies."""
    slug = next(name for name, number in SLUGS.items() if number == entity_type_id)
    staged = entity_type_id in STAGED
    return Kind(entity_type_id, TITLES[entity_type_id], slug, staged, entity_type_id == DEAL)


def smart_kinds() -> list[Kind]:
    """The portal's smart processes."""

    def read() -> list[Kind]:
        def page(start: int) -> Answer:
            here = desk()
            found = here.portal.run("crm.type.list", {"start": start}, user_id=here.keeper_id)
            return Answer(found.result["types"], found.total, found.next)

        return [_smart_kind(row) for row in every(page)]

    return remembered(("types",), read)


def _smart_kind(row: dict[str, Any]) -> Kind:
    number = int(row["entityTypeId"])
    staged = row.get("isStagesEnabled") == "Y"
    return Kind(number, str(row["title"]), f"type/{number}", staged, row.get("isCategoriesEnabled") == "Y")


def kinds() -> list[Kind]:
    """Every type of objects with pages here."""
    return [*(classic_kind(number) for number in TITLES), *smart_kinds()]


def kind_of(entity_type_id: int) -> Kind | None:
    """The type with this number, if the portal has it."""
    return next((one for one in kinds() if one.entity_type_id == entity_type_id), None)


def kind_at(slug: str | None, entity_type_id: int | None) -> Kind:
    """The type a page's address names; 404 for an unknown one."""
    number = SLUGS.get(slug or "", entity_type_id or 0)
    found = kind_of(number)
    if found is None:
        abort(404, "Такого типа объектов на портале нет.")
    return found


def categories(kind: Kind) -> list[dict[str, Any]]:
    """Funnels of the type: ``id`` and ``name``; one nameless funnel where the type has none."""

    def read() -> list[dict[str, Any]]:
        if not kind.has_stages or kind.entity_type_id == LEAD:
            return [{"id": 0, "name": "", "isDefault": "Y"}]
        rows = desk().structure("crm.category.list", entityTypeId=kind.entity_type_id)["categories"]
        return [dict(row) for row in rows] or [{"id": 0, "name": "", "isDefault": "Y"}]

    return remembered(("categories", kind.entity_type_id), read)


def stage_entity(kind: Kind, category_id: int) -> str:
    """``ENTITY_ID`` of the funnel's stages in ``crm.status.*``."""
    if kind.entity_type_id == LEAD:
        return "STATUS"
    if kind.entity_type_id == DEAL:
        return f"DEAL_STAGE_{category_id}" if category_id else "DEAL_STAGE"
    return f"DYNAMIC_{kind.entity_type_id}_STAGE_{category_id}"


def stages(kind: Kind, category_id: int) -> list[Stage]:
    """Stages of a funnel in their order; none for types without stages."""
    if not kind.has_stages:
        return []
    return [_stage(row) for row in statuses(stage_entity(kind, category_id))]


def _stage(row: dict[str, Any]) -> Stage:
    extra = row.get("EXTRA") if isinstance(row.get("EXTRA"), dict) else {}
    color = str(row.get("COLOR") or (extra or {}).get("COLOR") or "#ace9fb")
    plain = color.startswith("#") and len(color) in (4, 7) and color[1:].isalnum()
    semantics = {"S": "success", "F": "failure"}.get(
        str(row.get("SEMANTICS")), str((extra or {}).get("SEMANTICS"))
    )
    if semantics == "apology":
        semantics = "failure"
    known = semantics if semantics in ("success", "failure") else "process"
    return Stage(str(row["STATUS_ID"]), str(row["NAME"]), color if plain else "#ace9fb", known)


def statuses(entity_id: str) -> list[dict[str, Any]]:
    """Rows of a directory (sources, stages, types …) in their order."""

    def read() -> list[dict[str, Any]]:
        rows = desk().structure("crm.status.list", filter={"ENTITY_ID": entity_id}, order={"SORT": "ASC"})
        return [dict(row) for row in rows]

    return remembered(("statuses", entity_id), read)


def fields(kind: Kind) -> dict[str, dict[str, Any]]:
    """``crm.item.fields`` of the type: REST name → description."""

    def read() -> dict[str, dict[str, Any]]:
        return dict(desk().structure("crm.item.fields", entityTypeId=kind.entity_type_id)["fields"])

    return remembered(("fields", kind.entity_type_id), read)


def required_names(kind: Kind, stage_id: Any) -> list[str]:
    """REST names of the fields an item on the stage must have filled."""

    def read() -> list[str]:
        with desk().portal.transaction() as db:
            about = read_schema(db).type(kind.entity_type_id)
        on_stage = about.stage_required.get(str(stage_id or ""), ())
        return [
            one.name
            for one in about.fields.values()
            if one.upper in on_stage or (one.dynamic and one.required and one.type != "boolean")
        ]

    return remembered(("required", kind.entity_type_id, stage_id), read)


def people() -> dict[int, dict[str, Any]]:
    """Colleagues by id as ``user.get`` describes them, dismissed ones included."""

    def read() -> dict[int, dict[str, Any]]:
        def page(start: int) -> Answer:
            here = desk()
            return here.portal.run("user.get", {"start": start}, user_id=here.keeper_id)

        return {int(row["ID"]): row for row in every(page)}

    return remembered(("people",), read)


def person_name(user_id: Any) -> str:
    """A colleague's name as shown everywhere; empty for nobody, ``№ 7`` for an unknown id."""
    number = int(user_id) if str(user_id or "").isdigit() else 0
    if not number:
        return ""
    row = people().get(number)
    if row is None:
        return f"№ {number}"
    return f"{row['NAME']} {row['LAST_NAME']}".strip() or f"№ {number}"


def title_of(entity_type_id: int, item_id: int) -> str:
    """What an item is called in links; its number where it is gone or may not be read."""

    def read() -> str:
        try:
            item = desk().call("crm.item.get", entityTypeId=entity_type_id, id=item_id)["item"]
        except RestError:
            return f"№ {item_id}"
        return item_title(entity_type_id, item)

    return remembered(("title", entity_type_id, item_id), read)


def item_title(entity_type_id: int, item: dict[str, Any]) -> str:
    """A contact's full name, everybody else's title."""
    if entity_type_id == CONTACT:
        name = " ".join(str(item.get(part) or "") for part in ("name", "lastName")).strip()
    else:
        name = str(item.get("title") or "")
    return name or f"№ {item.get('id')}"


def remember_titles(entity_type_id: int, ids: set[int]) -> None:
    """Read the titles of many items at once, so that a kanban page asks once per type."""
    wanted = sorted(one for one in ids if one)
    for at in range(0, len(wanted), 50):
        part = wanted[at : at + 50]
        select = ["id", "title"] if entity_type_id != CONTACT else ["id", "name", "lastName"]
        rows, _ = desk().items(entity_type_id, filter={"@id": part}, select=select)
        for row in rows:
            text = item_title(entity_type_id, row)
            remembered(("title", entity_type_id, int(row["id"])), lambda text=text: text)  # type: ignore[misc]
