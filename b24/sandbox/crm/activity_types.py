"""Kinds of activities and badges an application brings along, descriptions of fields, further bindings.

Source: crm/timeline/activities/{types,binding,activity-base}/*.md, configurable/badges/*.md.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from b24.sandbox.crm import activities, owners
from b24.sandbox.crm.params import integer, is_yes, mapping, required, text
from b24.sandbox.crm.schema import as_entity_type_id
from b24.sandbox.kernel import Call, RestError, method, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_activity_type (
        app_id INTEGER NOT NULL, type_id TEXT NOT NULL, name TEXT NOT NULL DEFAULT '',
        configurable TEXT NOT NULL DEFAULT 'N', PRIMARY KEY (app_id, type_id));
    CREATE TABLE IF NOT EXISTS crm_activity_badge (
        code TEXT PRIMARY KEY, title TEXT NOT NULL, value TEXT NOT NULL, type TEXT NOT NULL);
    """
)


def _administrator(call: Call) -> int:
    """The application of the call, whose user administers the portal."""
    if call.app_id is None:
        message = "Access denied! Application context required"
        raise RestError("ACCESS_DENIED", message)
    if not call.is_admin:
        raise RestError("ACCESS_DENIED", "Access denied! Admin permissions required")
    return call.app_id


@method("crm.activity.type.add", scope="crm")
def type_add(call: Call) -> bool:
    """A kind of activities of the application."""
    app_id = _administrator(call)
    fields = mapping(call.params.get("fields"))
    code = text(fields.get("TYPE_ID")).strip()
    if not code:
        raise RestError("INVALID_ARG_VALUE", "Empty TYPE_ID")
    if _type(call.db, app_id, code) is not None:
        raise RestError("INVALID_ARG_VALUE", f"Type {code} already exists")
    call.db.execute(
        "INSERT INTO crm_activity_type (app_id, type_id, name, configurable) VALUES (?, ?, ?, ?)",
        (app_id, code, text(fields.get("NAME")), "Y" if is_yes(fields.get("IS_CONFIGURABLE_TYPE")) else "N"),
    )
    return True


def _type(db: sqlite3.Connection, app_id: int, code: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM crm_activity_type WHERE app_id = ? AND type_id = ?", (app_id, code)
    ).fetchone()
    return row


@method("crm.activity.type.list", scope="crm")
def type_list(call: Call) -> Any:
    """Kinds of activities of the application."""
    rows = call.db.execute("SELECT * FROM crm_activity_type WHERE app_id = ?", (_administrator(call),))
    return [
        {
            "TYPE_ID": row["type_id"],
            "NAME": row["name"],
            "IS_CONFIGURABLE_TYPE": row["configurable"],
            "ICON_ID": "0",
        }
        for row in rows
    ]


@method("crm.activity.type.delete", scope="crm")
def type_delete(call: Call) -> bool:
    """Remove a kind of activities."""
    app_id, code = _administrator(call), text(call.params.get("TYPE_ID"))
    if _type(call.db, app_id, code) is None:
        raise RestError("INVALID_ARG_VALUE", f"Type {code} not found")
    call.db.execute("DELETE FROM crm_activity_type WHERE app_id = ? AND type_id = ?", (app_id, code))
    return True


# Badges on the cards of the kanban.


def _badge(row: sqlite3.Row) -> dict[str, Any]:
    return {name: row[name] for name in ("code", "title", "value", "type")}


def _known_badge(call: Call) -> sqlite3.Row:
    row = call.db.execute(
        "SELECT * FROM crm_activity_badge WHERE code = ?", (text(required(call, "code")),)
    ).fetchone()
    if row is None:
        raise RestError("NOT_FOUND", "Not found.")
    found: sqlite3.Row = row
    return found


@method("crm.activity.badge.add", scope="crm")
def badge_add(call: Call) -> Any:
    """A badge for configurable activities."""
    values = {name: text(call.params.get(name)).strip() for name in ("code", "title", "value", "type")}
    for name, value in values.items():
        if not value:
            raise RestError("REQUIRED_ARG_MISSING", f"Required argument {name} is missing")
    call.db.execute(
        "INSERT OR REPLACE INTO crm_activity_badge (code, title, value, type) VALUES (:code, :title, :value, :type)",
        values,
    )
    return {"badge": values}


@method("crm.activity.badge.list", scope="crm")
def badge_list(call: Call) -> Any:
    """All badges."""
    rows = call.db.execute("SELECT * FROM crm_activity_badge ORDER BY rowid")
    return {"badges": [_badge(row) for row in rows]}


@method("crm.activity.badge.get", scope="crm")
def badge_get(call: Call) -> Any:
    """One badge."""
    return {"badge": _badge(_known_badge(call))}


@method("crm.activity.badge.delete", scope="crm")
def badge_delete(call: Call) -> bool:
    """Remove a badge."""
    row = _known_badge(call)
    call.db.execute("DELETE FROM crm_activity_badge WHERE code = ?", (row["code"],))
    return True


# Bindings.


def _bound(call: Call, activity_id: int, owner: tuple[int, int]) -> bool:
    found = call.db.execute(
        "SELECT 1 FROM crm_activity_binding WHERE activity_id = ? AND owner_type_id = ? AND owner_id = ?",
        (activity_id, *owner),
    ).fetchone()
    return found is not None


def _activity(call: Call) -> sqlite3.Row:
    row = activities.row_of(call.db, integer(required(call, "activityId")))
    if row is None:
        raise RestError("NOT_FOUND", "Not found.")
    return row


def _owner(call: Call, prefix: str) -> tuple[int, int]:
    names = (f"{prefix}EntityTypeId", f"{prefix}EntityId") if prefix else ("entityTypeId", "entityId")
    number = as_entity_type_id(required(call, names[0]))
    item = owners.demand(call, number, required(call, names[1]), "update")
    return item.kind.entity_type_id, item.id


@method("crm.activity.binding.delete", scope="crm")
def binding_delete(call: Call) -> bool:
    """Take an activity out of the timeline of one item; the last bond stays."""
    row, owner = _activity(call), _owner(call, "")
    if not _bound(call, row["id"], owner):
        raise RestError("BINDING_NOT_FOUND", "Activity is not bound to this entity")
    rest = call.db.execute(
        "SELECT owner_type_id, owner_id FROM crm_activity_binding WHERE activity_id = ?1"
        " AND NOT (owner_type_id = ?2 AND owner_id = ?3) LIMIT 1",
        (row["id"], *owner),
    ).fetchone()
    if rest is None:
        raise RestError("LAST_BINDING_CANNOT_BE_DELETED", "Last binding cannot be deleted")
    _unbind(call, row, owner, (rest[0], rest[1]))
    return True


def _unbind(call: Call, row: sqlite3.Row, owner: tuple[int, int], heir: tuple[int, int]) -> None:
    call.db.execute(
        "DELETE FROM crm_activity_binding WHERE activity_id = ? AND owner_type_id = ? AND owner_id = ?",
        (row["id"], *owner),
    )
    if (row["owner_type_id"], row["owner_id"]) == owner:
        call.db.execute(
            "UPDATE crm_activity SET owner_type_id = ?, owner_id = ? WHERE id = ?", (*heir, row["id"])
        )


@method("crm.activity.binding.move", scope="crm")
def binding_move(call: Call) -> bool:
    """Move an activity from one item to another of the same kind."""
    row = _activity(call)
    source, target = _owner(call, "source"), _owner(call, "target")
    if source[0] != target[0]:
        raise RestError("SOURCE_AND_TARGET_ENTITY_TYPES_ARE_NOT_EQUAL_ERROR", "Entity types are not equal")
    if source[1] == target[1]:
        raise RestError("SOURCE_AND_TARGET_ENTITY_ID_ARE_EQUAL_ERROR", "Entity ids are equal")
    if not _bound(call, row["id"], source):
        raise RestError("BINDING_NOT_FOUND", "Activity is not bound to this entity")
    if _bound(call, row["id"], target):
        raise RestError("ACTIVITY_IS_ALREADY_BOUND", "Activity is already bound")
    activities.bind(call.db, row["id"], *target)
    _unbind(call, row, source, target)
    return True


# Descriptions of fields.

_FIELDS = """
ID integer r ID
OWNER_ID integer i Владелец
OWNER_TYPE_ID crm_enum_ownertype i Тип владельца
TYPE_ID crm_enum_activitytype qi Тип
PROVIDER_ID string - Провайдер
PROVIDER_TYPE_ID string - Тип провайдера
PROVIDER_GROUP_ID string - Тип коннектора
ASSOCIATED_ENTITY_ID integer r Связанный элемент
SUBJECT string q Тема
START_TIME datetime - Начало
END_TIME datetime - Завершение
DEADLINE datetime - Срок
COMPLETED char - Выполнено
STATUS crm_enum_activitystatus - Статус
RESPONSIBLE_ID user q Ответственный
PRIORITY crm_enum_activitypriority - Приоритет
NOTIFY_TYPE crm_enum_activitynotifytype - Тип уведомления
NOTIFY_VALUE integer - Параметр уведомления
DESCRIPTION string - Описание
DESCRIPTION_TYPE crm_enum_contenttype - Тип описания
DIRECTION crm_enum_activitydirection - Направление
LOCATION string - Место
CREATED datetime r Дата создания
AUTHOR_ID user r Кем создано
LAST_UPDATED datetime r Дата изменения
EDITOR_ID user r Кем изменено
SETTINGS object - Настройки
ORIGIN_ID string - Внешний код
ORIGINATOR_ID string - Внешний источник
RESULT_STATUS integer - RESULT_STATUS
RESULT_STREAM integer - RESULT_STREAM
RESULT_SOURCE_ID string - RESULT_SOURCE_ID
PROVIDER_PARAMS object - Параметры провайдера
PROVIDER_DATA string - Данные провайдера
RESULT_MARK integer - RESULT_MARK
RESULT_VALUE double - RESULT_VALUE
RESULT_SUM double - RESULT_SUM
RESULT_CURRENCY_ID string - RESULT_CURRENCY_ID
AUTOCOMPLETE_RULE integer - Автозавершение
BINDINGS crm_activity_binding rm Привязки
COMMUNICATIONS crm_activity_communication qm Каналы связи
FILES diskfile m Файлы
WEBDAV_ELEMENTS diskfile m Добавленные файлы
IS_INCOMING_CHANNEL char r IS_INCOMING_CHANNEL
"""
_COMMUNICATION = """
ID integer r ID
ACTIVITY_ID integer r Дело
ENTITY_ID integer - Элемент
ENTITY_TYPE_ID integer - Тип элемента
TYPE string - Тип
VALUE string - Значение
"""


def described(declaration: str) -> dict[str, Any]:
    """Lines ``NAME type flags title`` as the ``*.fields`` methods of the older API show them."""
    result: dict[str, Any] = {}
    for line in declaration.strip().splitlines():
        name, kind, flags, title = line.split(maxsplit=3)
        result[name] = {
            "type": kind, "isRequired": "q" in flags, "isReadOnly": "r" in flags, "isImmutable": "i" in flags,
            "isMultiple": "m" in flags, "isDynamic": False, "title": title,
        }  # fmt: skip
    return result


@method("crm.activity.fields", scope="crm")
def activity_fields(_call: Call) -> Any:
    """Description of an activity's fields."""
    fields = described(_FIELDS)
    fields["WEBDAV_ELEMENTS"]["isDeprecated"] = True
    return fields


@method("crm.activity.communication.fields", scope="crm")
def communication_fields(_call: Call) -> Any:
    """Description of a channel of an activity."""
    return described(_COMMUNICATION)
