"""How values of CRM fields look on a card and how they are typed in again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from b24.sandbox.portal import PORTAL_ZONE
from b24.sandbox.ui.desk import COMPANY, CONTACT, DEAL, LEAD, desk
from b24.sandbox.ui.structure import (
    Kind,
    kind_of,
    people,
    person_name,
    required_names,
    stages,
    statuses,
    title_of,
)

LINKED = {"crm_contact": CONTACT, "crm_company": COMPANY, "crm_lead": LEAD, "crm_deal": DEAL}
CURRENCIES = {"RUB": "₽", "KZT": "₸", "USD": "$", "EUR": "€", "BYN": "Br"}
YES = (True, 1, "1", "Y", "y", "true")


@dataclass(frozen=True)
class Part:
    """A piece of a shown value: text, and where it leads, if anywhere."""

    text: str
    href: str = ""


@dataclass(frozen=True)
class Shown:
    """A field on a card.

    Attributes:
        parts: the value as text and links; empty for an empty field.
        input: kind of the editor: ``text``, ``textarea``, ``number``, ``date``, ``datetime``, ``checkbox``,
            ``select``, ``money``, ``file``, ``link`` (another card) or ``""`` for a field not edited here.
        linked: entityTypeId of the cards a ``link`` leads to.
        raw: the value as the editor takes it.
        options: value and text of every choice of a ``select``.
    """

    name: str
    title: str
    parts: list[Part]
    input: str
    raw: Any
    multiple: bool = False
    options: list[tuple[str, str]] = field(default_factory=list)
    required: bool = False
    linked: int = 0


def shown(kind: Kind, name: str, about: dict[str, Any], item: dict[str, Any]) -> Shown:
    """One field of an item, ready for the card."""
    value = item.get(name)
    multiple = bool(about.get("isMultiple"))
    options = choices(kind, name, about, item)
    values = value if isinstance(value, list) else [value]
    parts = [part for one in values if one not in (None, "", [], {}) for part in show(about, one, options)]
    if name == "opportunity" and value:
        parts = [Part(show_money(value, item.get("currencyId")))]
    editor = "" if about.get("isReadOnly") else editor_of(about, options)
    raw = linked_raw(about, value) if editor == "link" else raw_value(editor, value, multiple)
    return Shown(
        name,
        str(about.get("title") or name),
        parts,
        editor,
        raw,
        multiple,
        options,
        name in required_names(kind, item.get("stageId")),
        linked_type(about),
    )


def choices(kind: Kind, name: str, about: dict[str, Any], item: dict[str, Any]) -> list[tuple[str, str]]:
    """What may be chosen in the field: value and text; empty for fields without a list."""
    if name == "stageId":
        return [(one.id, one.name) for one in stages(kind, int(item.get("categoryId") or 0))]
    if about["type"] == "enumeration":
        return [(str(one["ID"]), str(one["VALUE"])) for one in about.get("items") or []]
    if about["type"] == "crm_status":
        return [
            (str(row["STATUS_ID"]), str(row["NAME"])) for row in statuses(str(about.get("statusType") or ""))
        ]
    if about["type"] in ("user", "employee"):
        active = [row for row in people().values() if row["ACTIVE"]]
        return [(str(row["ID"]), person_name(row["ID"])) for row in active]
    if about["type"] == "crm_currency":
        return [(code, f"{code} {sign}") for code, sign in CURRENCIES.items()]
    return []


EDITORS = {
    "string": "text",
    "url": "text",
    "text": "textarea",
    "integer": "number",
    "double": "number",
    "date": "date",
    "datetime": "datetime",
    "boolean": "checkbox",
    "char": "checkbox",
    "money": "money",
    "address": "text",
    "file": "file",
}


def editor_of(about: dict[str, Any], options: list[tuple[str, str]]) -> str:
    """Kind of the editor for a writable field; ``""`` where the card does not edit it."""
    if options:
        return "select"
    if linked_type(about):
        return "link"
    return EDITORS.get(str(about["type"]), "")


def raw_value(editor: str, value: Any, multiple: bool) -> Any:
    """The value as the editor's input takes it; a list of strings for multiple fields."""
    if multiple:
        listed = value if isinstance(value, list) else []
        return [raw_value(editor, one, False) for one in listed]
    if editor == "checkbox":
        return value in YES
    if value in (None, False):
        return ""
    if editor in ("date", "datetime"):
        moment = parse_moment(str(value))
        if moment is None:
            return ""
        return moment.strftime("%Y-%m-%d" if editor == "date" else "%Y-%m-%dT%H:%M")
    return str(value)


def show(about: dict[str, Any], value: Any, options: list[tuple[str, str]]) -> list[Part]:
    """One single value as text and links."""
    kind, linked = str(about["type"]), linked_type(about)
    if kind in ("boolean", "char"):
        return [Part("да" if value in YES else "нет")]
    if linked:
        return show_link(linked, value)
    if kind in ("user", "employee"):
        return [Part(person_name(value), f"/company/personal/user/{value}/")] if value else []
    if options:
        return [Part(dict(options).get(str(value), str(value)))]
    if kind in ("date", "datetime"):
        return [Part(show_moment(str(value), with_time=kind == "datetime"))]
    if kind == "money":
        return [Part(show_money(*str(value).partition("|")[::2]))]
    if kind == "url":
        text = str(value)
        return [Part(text, text if text.startswith(("http://", "https://")) else "")]
    if kind == "file" and isinstance(value, dict):
        return [Part(file_name(value.get("id")), str(value.get("url") or ""))]
    if isinstance(value, dict):
        return [Part(str(value.get("value") or value.get("name") or "значение"))]
    return [Part(str(value))]


def file_name(file_id: Any) -> str:
    """What a file is called; REST tells only its number."""
    here = desk().portal
    with here.transaction() as db:
        row = db.execute("SELECT name FROM crm_file WHERE id = ?", (file_id,)).fetchone()
    return str(row["name"]) if row is not None else f"файл № {file_id}"


def linked_type(about: dict[str, Any]) -> int:
    """entityTypeId of the cards a field points to (clients, ``parentId…``), else 0."""
    tail = str(about.get("upperName", "")).removeprefix("PARENT_ID_")
    return int(tail) if tail.isdigit() else LINKED.get(str(about["type"]), 0)


def linked_raw(about: dict[str, Any], value: Any) -> Any:
    """What the editor of a link shows: ``Иван Петров № 12``; a list for multiple fields."""
    values = value if isinstance(value, list) else [value]
    known = [one for one in values if str(one or "").isdigit() and int(one)]
    texts = [suggestion(title_of(linked_type(about), int(one)), int(one)) for one in known]
    if about.get("isMultiple"):
        return texts
    return texts[0] if texts else ""


def suggestion(title: str, item_id: int) -> str:
    """A card as it is typed into a link's editor; the number at the end is what counts."""
    return title if title == f"№ {item_id}" else f"{title} № {item_id}"


def show_link(entity_type_id: int, value: Any) -> list[Part]:
    """A link to another card."""
    if not str(value).isdigit() or not int(value):
        return []
    kind = kind_of(entity_type_id)
    return [Part(title_of(entity_type_id, int(value)), kind.details(value) if kind else "")]


def parse_moment(text: str) -> datetime | None:
    """An ISO date or date with time; in the portal's zone where it names none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=PORTAL_ZONE)


def show_moment(text: str, *, with_time: bool = True) -> str:
    """``21.11.2026 14:05`` in the portal's zone; the text itself where it is no date."""
    moment = parse_moment(text)
    if moment is None:
        return text
    return moment.astimezone(PORTAL_ZONE).strftime("%d.%m.%Y %H:%M" if with_time else "%d.%m.%Y")


def show_money(amount: Any, currency: Any) -> str:
    """``1 250 000 ₽``; empty for no amount."""
    try:
        number = float(amount or 0)
    except (TypeError, ValueError):
        return str(amount)
    text = f"{number:,.2f}".replace(",", " ").removesuffix(".00")
    return f"{text} {CURRENCIES.get(str(currency), str(currency or ''))}".strip()


def typed_in(about: dict[str, Any], editor: str, values: list[str]) -> Any:
    """What ``crm.item.update`` gets for the values typed into a field's editor."""
    if editor == "checkbox":
        yes = "1" in values
        return yes if about.get("isDynamic") else ("Y" if yes else "N")
    clean = {"datetime": moment_with_zone, "link": number_at_the_end}.get(editor, str.strip)
    cleaned = [clean(one) for one in values]
    filled = [one for one in cleaned if one]
    if about.get("isMultiple"):
        return filled
    return filled[0] if filled else ""


def moment_with_zone(text: str) -> str:
    """What the browser's ``datetime-local`` says, with the portal's offset added."""
    moment = parse_moment(text.strip())
    return moment.isoformat() if moment else text.strip()


def number_at_the_end(text: str) -> str:
    """The id in ``Иван Петров № 12`` or ``12``; empty where there is none."""
    tail = text.strip().rpartition("№")[2].strip()
    return tail if tail.isascii() and tail.isdigit() else ""
