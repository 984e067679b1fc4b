"""CRM forms: their definitions and what a submission does to the CRM.

REST has no methods for forms, so this module is what the web UI and control calls use. A submission finds a
client by phone or e-mail – nobody compares names – or makes one, and always makes a new item. Events carry
no user.
"""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from b24.sandbox.crm import activities, clients, store
from b24.sandbox.crm.objects import COMPANY, CONTACT, LEAD
from b24.sandbox.crm.params import integer, is_yes, listing, mapping, text
from b24.sandbox.crm.schema import ObjectType, read_schema
from b24.sandbox.crm.values import read_value
from b24.sandbox.kernel import RestError, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_form (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, active INTEGER NOT NULL DEFAULT 1,
        definition TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS crm_form_result (
        id INTEGER PRIMARY KEY AUTOINCREMENT, form_id INTEGER NOT NULL, created INTEGER NOT NULL,
        entity_type_id INTEGER NOT NULL, item_id INTEGER NOT NULL, contact_id INTEGER, company_id INTEGER);
    """
)

KINDS = ("string", "text", "email", "phone", "list", "checkbox", "date", "integer", "hidden")
ENTITIES = ("item", "contact", "company")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True)
class FormField:
    """One field: ``entity`` (item, contact or company) and ``target`` say where its value goes.

    ``target`` is a database name (``LAST_NAME``, ``UF_CRM_7_NOTE``, ``PARENT_ID_1030``) or ``PHONE``,
    ``EMAIL``.
    A hidden field holds ``value`` and is not shown.
    """

    name: str
    caption: str
    kind: str
    entity: str
    target: str
    required: bool = False
    value: Any = None
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Form:
    """A CRM form; ``duplicates`` is ``replace``, ``merge`` or ``allow`` (always a new client)."""

    id: int
    name: str
    target_type: int
    fields: tuple[FormField, ...]
    duplicates: str = "merge"
    category_id: int | None = None
    assigned_by_id: int = 1
    agreement: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def shown_fields(self) -> list[FormField]:
        """What a guest sees."""
        return [each for each in self.fields if each.kind != "hidden"]


class FormRefused(RestError):
    """A submission with errors; ``errors`` says for every field what is wrong with it."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("FORM_INVALID", json.dumps(errors, ensure_ascii=False))
        self.errors = errors


def create(portal: Any, definition: dict[str, Any]) -> int:
    """Make a form; call inside a transaction. Returns its id.

    Args:
        definition: ``{"name", "target_type", "duplicates"?, "category_id"?, "assigned_by_id"?, "agreement"?,
            "fields": [{"name", "caption", "kind", "entity", "target", "required"?, "value"?, "options"?}]}``.

    Raises:
        RestError: ``INVALID_ARG_VALUE``, the definition cannot be used.
    """
    kept = _checked_definition(portal, definition)
    cursor = portal.db.execute(
        "INSERT INTO crm_form (name, definition) VALUES (?, ?)",
        (kept["name"], json.dumps(kept, ensure_ascii=False)),
    )
    return int(cursor.lastrowid or 0)


def change(portal: Any, form_id: int, definition: dict[str, Any]) -> bool:
    """Give a form another definition, as :func:`create` takes it; whether there is such a form.

    Raises:
        RestError: ``INVALID_ARG_VALUE``, the definition cannot be used.
    """
    kept = _checked_definition(portal, definition)
    done = portal.db.execute(
        "UPDATE crm_form SET name = ?, definition = ? WHERE id = ? AND active = 1",
        (kept["name"], json.dumps(kept, ensure_ascii=False), form_id),
    )
    return bool(done.rowcount)


def remove(db: sqlite3.Connection, form_id: int) -> bool:
    """Switch a form off for good; its results stay. Whether there was such a form."""
    return bool(db.execute("UPDATE crm_form SET active = 0 WHERE id = ? AND active = 1", (form_id,)).rowcount)


def _checked_definition(portal: Any, definition: dict[str, Any]) -> dict[str, Any]:
    number = integer(definition.get("target_type"))
    read_schema(portal.db).type(number)
    name = text(definition.get("name")).strip()
    fields = [mapping(each) for each in listing(definition.get("fields"))]
    if not name or not fields:
        raise RestError("INVALID_ARG_VALUE", "A form needs a name and fields")
    for each in fields:
        if each.get("kind") not in KINDS or each.get("entity") not in ENTITIES or not each.get("target"):
            raise RestError("INVALID_ARG_VALUE", f"Field '{text(each.get('name'))}' cannot be used")
    return {**definition, "name": name, "target_type": number, "fields": fields}


def listing_of(db: sqlite3.Connection) -> list[Form]:
    """All forms of the portal."""
    return [_form(row) for row in db.execute("SELECT * FROM crm_form WHERE active = 1 ORDER BY id")]


def find(db: sqlite3.Connection, form_id: int) -> Form | None:
    """One form by id."""
    row = db.execute("SELECT * FROM crm_form WHERE id = ? AND active = 1", (form_id,)).fetchone()
    return None if row is None else _form(row)


def _form(row: sqlite3.Row) -> Form:
    kept = json.loads(row["definition"])
    return Form(
        id=row["id"],
        name=row["name"],
        target_type=kept["target_type"],
        fields=tuple(_field(each) for each in kept["fields"]),
        duplicates=kept.get("duplicates") if kept.get("duplicates") in ("replace", "allow") else "merge",
        category_id=kept.get("category_id"),
        assigned_by_id=integer(kept.get("assigned_by_id")) or 1,
        agreement=text(kept.get("agreement")),
    )


def _field(each: dict[str, Any]) -> FormField:
    options = tuple(
        (text(mapping(option).get("value")), text(mapping(option).get("title")))
        for option in listing(each.get("options"))
    )
    return FormField(
        name=text(each.get("name")) or f"{each['entity'].upper()}_{each['target']}",
        caption=text(each.get("caption")) or each["target"],
        kind=each["kind"],
        entity=each["entity"],
        target=each["target"],
        required=is_yes(each.get("required")),
        value=each.get("value"),
        options=options,
    )


def submit(portal: Any, form_id: int, values: dict[str, Any]) -> dict[str, Any]:
    """Fill a form as a guest; call inside a transaction.

    Args:
        values: by field name; ``utm_source`` … and ``agreement`` beside them.

    Returns:
        ``{"result_id", "entity_type_id", "item_id", "contact_id", "company_id"}``, client ids may be
        ``None``.

    Raises:
        FormRefused: with an error for every wrong field; nothing was written.
        RestError: ``NOT_FOUND`` (404), there is no such form.
    """
    form = find(portal.db, form_id)
    if form is None:
        raise RestError("NOT_FOUND", "Form is not found", 404)
    given = _checked(form, values)
    utm = {
        f"UTM_{name.upper()}": text(values.get(f"utm_{name}"))
        for name in ("source", "medium", "campaign", "content", "term")
        if text(values.get(f"utm_{name}"))
    }
    origin = {"WEBFORM_ID": form.id, "SOURCE_ID": "WEBFORM", "ASSIGNED_BY_ID": form.assigned_by_id, **utm}
    found = _client(portal, form, given, origin)
    kind = read_schema(portal.db).type(form.target_type)
    item_id = _make_item(portal, form, kind, given, found, origin)
    _record(portal, form, item_id, given)
    return _result(portal, form, item_id, found)


def _client(portal: Any, form: Form, given: dict[str, Any], origin: dict[str, Any]) -> clients.Client:
    """The guest's contact and company. A lead is not a client yet: only known ones are found for it."""
    contact, company = _part(form, given, "contact"), _part(form, given, "company")
    if form.target_type != LEAD or contact or company:
        return clients.find_or_make(portal, form.duplicates, contact, company, origin)
    if form.duplicates == "allow":
        return clients.Client(None, None)
    return clients.known(portal, _part(form, given, "item"))


def _checked(form: Form, values: dict[str, Any]) -> dict[str, Any]:
    """Values by field name, trimmed and checked; hidden ones come from the definition."""
    errors: dict[str, str] = {}
    given: dict[str, Any] = {}
    for each in form.fields:
        if each.kind == "hidden":
            given[each.name] = each.value
            continue
        value = values.get(each.name)
        value = (
            [text(one) for one in listing(value)] if isinstance(value, list | dict) else text(value).strip()
        )
        problem = _problem(each, value)
        if problem:
            errors[each.name] = problem
        given[each.name] = value
    if form.agreement and not is_yes(values.get("agreement")):
        errors["agreement"] = "Нужно согласие на обработку персональных данных"
    if errors:
        raise FormRefused(errors)
    return given


def _problem(each: FormField, value: Any) -> str | None:
    if value in ("", []) or (each.kind == "checkbox" and not is_yes(value)):
        return "Обязательное поле" if each.required else None
    if each.kind == "email" and not _EMAIL.fullmatch(text(value)):
        return "Неверный формат e-mail"
    if each.kind == "phone" and not 5 <= len(re.sub(r"\D", "", text(value))) <= 18:
        return "Неверный номер телефона"
    if each.kind == "list" and each.options:
        known = {code for code, _ in each.options}
        if not {text(one) for one in listing(value)} <= known:
            return "Выберите значение из списка"
    return None


def _part(form: Form, given: dict[str, Any], entity: str) -> dict[str, Any]:
    """Filled values of one entity by target name."""
    return {
        each.target: given[each.name]
        for each in form.fields
        if each.entity == entity and given.get(each.name) not in (None, "", [])
    }


def _stored(portal: Any, kind: ObjectType, part: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for target, value in part.items():
        known = kind.by_upper.get(target)
        if known is not None and not known.read_only and not known.derived:
            several = known.multiple and not isinstance(value, list)
            values[target] = read_value(portal.db, known, [value] if several else value)
    return values


def _make_item(
    portal: Any,
    form: Form,
    kind: ObjectType,
    given: dict[str, Any],
    found: clients.Client,
    origin: dict[str, Any],
) -> int:
    """Always a new item, whoever the client is."""
    if kind.entity_type_id in (CONTACT, COMPANY):
        return (found.contact_id if kind.entity_type_id == CONTACT else found.company_id) or 0
    values = {name: value for name, value in origin.items() if name in kind.by_upper}
    values |= {"TITLE": f'Заполнение CRM-формы "{form.name}"'}
    values |= {"CONTACT_ID": found.contact_id, "COMPANY_ID": found.company_id}
    values = {name: value for name, value in values.items() if name in kind.by_upper and value}
    if form.category_id is not None:
        values["CATEGORY_ID"] = form.category_id
    part = _part(form, given, "item")
    values |= _stored(portal, kind, part)
    if kind.entity_type_id != LEAD:
        return store.create(portal, None, kind, values)
    if found.contact_id or found.company_id:
        values["IS_RETURN_CUSTOMER"] = "Y"
    return store.create(portal, None, kind, values, clients.communications(part))


def _record(portal: Any, form: Form, item_id: int, given: dict[str, Any]) -> None:
    """The filled form as an activity in the timeline of the new item.

    Source of the answers' shape: bitrix24/b24phpsdk, Services/CRM/Activity/Result/WebForm.
    """
    answers = [
        {
            "type": each.kind,
            "code": _code(portal, form, each),
            "required": each.required,
            "caption": each.caption,
            "value": listing(given[each.name]),
        }
        for each in form.shown_fields
        if given.get(each.name) not in (None, "", [])
    ]
    about = {
        "IS_USED_USER_CONSENT": bool(form.agreement),
        "AGREEMENTS": [form.agreement] if form.agreement else [],
        "IP": "",
        "LINK": "",
    }
    activities.write(
        portal,
        None,
        (form.target_type, item_id),
        {
            "type_id": 6,
            "provider_id": "CRM_WEBFORM",
            "provider_type_id": str(form.id),
            "subject": f'Заполнена CRM-форма "{form.name}"',
            "completed": "N",
            "direction": 1,
            "responsible_id": form.assigned_by_id,
            "provider_params": json.dumps(
                {"FIELDS": answers, "FORM": about, "VISITED_PAGES": []}, ensure_ascii=False
            ),
        },
    )


def _code(portal: Any, form: Form, each: FormField) -> str:
    """A field's code: the entity's name and the field's, ``CONTACT_LAST_NAME``."""
    entity = each.entity.upper()
    if each.entity == "item":
        entity = read_schema(portal.db).symbol(form.target_type)
    return f"{entity}_{each.target}"


def _result(portal: Any, form: Form, item_id: int, found: clients.Client) -> dict[str, Any]:
    row = (
        form.id,
        int(portal.now().timestamp()),
        form.target_type,
        item_id,
        found.contact_id,
        found.company_id,
    )
    cursor = portal.db.execute(
        "INSERT INTO crm_form_result (form_id, created, entity_type_id, item_id, contact_id, company_id)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        row,
    )
    return {
        "result_id": int(cursor.lastrowid or 0),
        "entity_type_id": form.target_type,
        "item_id": item_id,
        "contact_id": found.contact_id,
        "company_id": found.company_id,
    }
