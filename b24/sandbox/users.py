"""Employees and departments of the portal: who may sign in, who heads whom, and the ``user.*`` methods.

Source: https://github.com/bitrix24/b24restdocs api-reference/user/ and api-reference/departments/.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from b24.sandbox.kernel import Answer, Call, RestError, method, tables
from b24.sandbox.php import whole

if TYPE_CHECKING:
    from b24.sandbox.portal import LocalPortal

PAGE = 50

tables(
    """
    CREATE TABLE IF NOT EXISTS users (
        id INTEGER PRIMARY KEY AUTOINCREMENT, active INTEGER NOT NULL DEFAULT 1,
        admin INTEGER NOT NULL DEFAULT 0,
        user_type TEXT NOT NULL DEFAULT 'employee', name TEXT NOT NULL DEFAULT '',
        last_name TEXT NOT NULL DEFAULT '',
        second_name TEXT NOT NULL DEFAULT '', email TEXT NOT NULL DEFAULT '', gender TEXT NOT NULL DEFAULT '',
        birthday TEXT NOT NULL DEFAULT '', mobile TEXT NOT NULL DEFAULT '',
        work_phone TEXT NOT NULL DEFAULT '',
        city TEXT NOT NULL DEFAULT '', position TEXT NOT NULL DEFAULT '', time_zone TEXT NOT NULL DEFAULT '',
        departments TEXT NOT NULL DEFAULT '[1]', date_register TEXT NOT NULL, last_login TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS departments (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, sort INTEGER NOT NULL DEFAULT 500,
        parent INTEGER, head INTEGER NOT NULL DEFAULT 0);
    """
)


def found(portal: LocalPortal) -> None:
    """The administrator (1) and the root department (1) every portal starts with."""
    add_department(portal, "Учебный портал", parent=None)
    add_user(portal, name="Анна", last_name="Админова", email="admin@portal.example", admin=True)


def add_user(
    portal: LocalPortal,
    *,
    name: str,
    last_name: str,
    email: str,
    departments: Iterable[int] = (1,),
    admin: bool = False,
    active: bool = True,
    **more: str,
) -> int:
    """Make an employee; call inside a transaction.

    Args:
        departments: ids of departments, the first one is the main one.
        more: further columns: ``second_name``, ``position``, ``mobile``, ``work_phone``, ``gender``,
            ``city``,
            ``time_zone``, ``birthday``, ``user_type``.

    Returns:
        The id of the user.
    """
    moment = portal.now().isoformat()
    columns = {
        "name": name, "last_name": last_name, "email": email, "admin": int(admin), "active": int(active),
        "departments": json.dumps(list(departments)), "date_register": moment, "last_login": moment, **more,
    }  # fmt: skip
    names = ", ".join(columns)
    marks = ", ".join("?" * len(columns))
    cursor = portal.db.execute(f"INSERT INTO users ({names}) VALUES ({marks})", tuple(columns.values()))
    return int(cursor.lastrowid or 0)


def add_department(
    portal: LocalPortal, name: str, *, parent: int | None = 1, head: int = 0, sort: int = 500
) -> int:
    """Make a department; call inside a transaction. ``head`` is a user id or 0."""
    cursor = portal.db.execute(
        "INSERT INTO departments (name, sort, parent, head) VALUES (?, ?, ?, ?)", (name, sort, parent, head)
    )
    return int(cursor.lastrowid or 0)


def set_head(portal: LocalPortal, department_id: int, user_id: int) -> None:
    """Put ``user_id`` at the head of a department (0 removes the head)."""
    portal.db.execute("UPDATE departments SET head = ? WHERE id = ?", (user_id, department_id))


def set_active(portal: LocalPortal, user_id: int, active: bool) -> None:
    """Dismiss an employee or take them back; tokens of a dismissed one stop working at once."""
    portal.db.execute("UPDATE users SET active = ? WHERE id = ?", (int(active), user_id))


def departments_of(portal: Any, user_id: int) -> list[int]:
    """Ids of the departments the user belongs to; empty for nobody."""
    row = portal.db.execute("SELECT departments FROM users WHERE id = ?", (user_id,)).fetchone()
    return [] if row is None else [int(one) for one in json.loads(row["departments"])]


def colleagues_of(portal: Any, user_id: int) -> set[int]:
    """Ids of everybody who shares a department with the user, the user included."""
    own = set(departments_of(portal, user_id))
    rows = portal.db.execute("SELECT id, departments FROM users").fetchall()
    return {row["id"] for row in rows if own & set(json.loads(row["departments"]))} | {user_id}


SHORT = (
    "ID", "XML_ID", "ACTIVE", "NAME", "LAST_NAME", "SECOND_NAME", "TITLE", "IS_ONLINE", "TIME_ZONE",
    "TIME_ZONE_OFFSET", "TIMESTAMP_X", "DATE_REGISTER", "LAST_LOGIN", "LAST_ACTIVITY_DATE", "PERSONAL_GENDER",
    "PERSONAL_BIRTHDAY", "PERSONAL_PHOTO", "PERSONAL_CITY", "WORK_POSITION", "UF_EMPLOYMENT_DATE",
    "UF_DEPARTMENT",
    "USER_TYPE",
)  # fmt: skip
CONTACTS = ("EMAIL", "PERSONAL_MOBILE", "PERSONAL_WWW", "WORK_PHONE")


def card(row: Any, *, contacts: bool = True) -> dict[str, Any]:
    """A user as ``user.get`` answers: string ids, a boolean ``ACTIVE``, departments as numbers."""
    fields: dict[str, Any] = {
        "ID": str(row["id"]), "XML_ID": f"1{row['id']:07d}", "ACTIVE": bool(row["active"]),
        "NAME": row["name"],
        "LAST_NAME": row["last_name"], "SECOND_NAME": row["second_name"],
    }  # fmt: skip
    if contacts:
        fields["EMAIL"] = row["email"]
    fields |= {
        "LAST_LOGIN": row["last_login"], "DATE_REGISTER": row["date_register"][:10] + "T00:00:00+03:00",
        "TIME_ZONE": row["time_zone"], "IS_ONLINE": "Y" if row["active"] else "N", "TIMESTAMP_X": {},
        "LAST_ACTIVITY_DATE": {}, "PERSONAL_GENDER": row["gender"], "PERSONAL_BIRTHDAY": row["birthday"],
        "PERSONAL_CITY": row["city"], "WORK_POSITION": row["position"], "UF_EMPLOYMENT_DATE": "",
        "UF_DEPARTMENT": [int(one) for one in json.loads(row["departments"])], "USER_TYPE": row["user_type"],
    }  # fmt: skip
    if contacts:
        fields |= {"PERSONAL_WWW": "", "PERSONAL_MOBILE": row["mobile"], "WORK_PHONE": row["work_phone"]}
    return fields


def full_name(row: Any) -> str:
    """First and last name as the portal shows them."""
    return f"{row['name']} {row['last_name']}".strip()


def user_scope(call: Call) -> bool:
    """Whether the caller may see e-mail and phones of colleagues (``user`` or ``user_basic``).

    Raises:
        RestError: ``insufficient_scope`` when none of the three user scopes is held.
    """
    if not call.scope or call.scope & {"user", "user_basic"}:
        return True
    if "user_brief" in call.scope:
        return False
    raise RestError(
        "insufficient_scope", "The request requires higher privileges than provided by the access token", 403
    )


COLUMNS = {
    "ID": "id", "ACTIVE": "active", "NAME": "name", "LAST_NAME": "last_name", "SECOND_NAME": "second_name",
    "EMAIL": "email", "PERSONAL_MOBILE": "mobile", "WORK_PHONE": "work_phone", "PERSONAL_CITY": "city",
    "WORK_POSITION": "position", "PERSONAL_GENDER": "gender", "USER_TYPE": "user_type",
    "TIME_ZONE": "time_zone",
    "DATE_REGISTER": "date_register", "LAST_LOGIN": "last_login", "UF_DEPARTMENT": "departments",
}  # fmt: skip
PREFIXES = ("!=%", "!%=", ">=", "<=", "!@", "=%", "%=", "!%", "!=", "@", "%", ">", "<", "=", "!")


def upper_keys(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters of ``user.*``, ``event.*`` and ``placement.*`` are read in any letter case."""
    return {key.upper(): value for key, value in params.items()}


def listed(value: Any) -> list[Any]:
    """A filter value as a list, whether it came as one value, a list or a PHP map."""
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else [value]


def _like(pattern: str, text: str) -> bool:
    head, tail = pattern.startswith("%"), pattern.endswith("%")
    core = pattern.strip("%")
    if head and tail:
        return core in text
    return text.endswith(core) if head else text.startswith(core) if tail else text == core


def _comparable(field: str, value: Any) -> Any:
    if field == "ACTIVE":
        return str(value).lower() in {"1", "y", "true"}
    if field in {"ID", "UF_DEPARTMENT"}:
        return whole(value)
    return str(value).casefold()


TESTS: dict[str, Callable[[Any, list[Any]], bool]] = {
    "": lambda own, values: own in values,
    "=": lambda own, values: own in values,
    "@": lambda own, values: own in values,
    "!": lambda own, values: own not in values,
    "!=": lambda own, values: own not in values,
    "!@": lambda own, values: own not in values,
    ">": lambda own, values: own > values[0],
    ">=": lambda own, values: own >= values[0],
    "<": lambda own, values: own < values[0],
    "<=": lambda own, values: own <= values[0],
    "%": lambda own, values: any(str(one) in str(own) for one in values),
    "!%": lambda own, values: not any(str(one) in str(own) for one in values),
    "=%": lambda own, values: any(_like(str(one), str(own)) for one in values),
    "%=": lambda own, values: any(_like(str(one), str(own)) for one in values),
    "!=%": lambda own, values: not any(_like(str(one), str(own)) for one in values),
    "!%=": lambda own, values: not any(_like(str(one), str(own)) for one in values),
}


def _split(key: str) -> tuple[str, str]:
    for prefix in PREFIXES:
        if key.startswith(prefix):
            return prefix, key[len(prefix) :].upper()
    return "", key.upper()


def _row_passes(row: Any, key: str, wanted: Any) -> bool:
    prefix, field = _split(key)
    if field == "NAME_SEARCH":
        haystack = f"{row['name']} {row['last_name']} {row['second_name']} {row['position']}".casefold()
        return all(word in haystack for word in str(wanted).casefold().split())
    if field == "IS_ONLINE":
        return bool(row["active"]) == (str(wanted).upper() == "Y")
    if field not in COLUMNS:
        return True
    values = [_comparable(field, one) for one in listed(wanted)] or [_comparable(field, "")]
    if field == "UF_DEPARTMENT":
        return any(TESTS[prefix](int(one), values) for one in json.loads(row["departments"]))
    return TESTS[prefix](_comparable(field, row[COLUMNS[field]]), values)


def page_of(rows: list[Any], start: Any) -> tuple[list[Any], int | None, int | None]:
    """One page of 50 with ``total`` and ``next``; ``start = -1`` gives neither."""
    offset = whole(start)
    if offset < 0:
        return rows[:PAGE], None, None
    following = offset + PAGE
    return rows[offset:following], len(rows), following if following < len(rows) else None


def _sorted(rows: list[Any], field: str, order: str) -> list[Any]:
    column = COLUMNS.get(field.upper(), "id")
    ordered = sorted(rows, key=lambda row: row["id"])
    return sorted(ordered, key=lambda row: row[column], reverse=order.upper() == "DESC")


def _selected(fields: dict[str, Any], select: list[Any]) -> dict[str, Any]:
    names = {str(one).upper() for one in select}
    if not names or "*" in names:
        return fields
    if "UF_*" in names:
        names |= {name for name in fields if name.startswith("UF_")}
    return {name: value for name, value in fields.items() if name in names or name == "ID"}


def _list(call: Call, passes: Callable[[Any], bool]) -> Answer:
    contacts = user_scope(call)
    params = upper_keys(call.params)
    rows = [row for row in call.db.execute("SELECT * FROM users").fetchall() if passes(row)]
    rows = _sorted(rows, str(params.get("SORT") or "ID"), str(params.get("ORDER") or "ASC"))
    page, total, following = page_of(rows, params.get("START"))
    select = listed(params.get("SELECT") or [])
    return Answer([_selected(card(row, contacts=contacts), select) for row in page], total, following)


@method("user.get")
def user_get(call: Call) -> Answer:
    """Users by filter, 50 a page. Source: api-reference/user/user-get.md."""
    params = upper_keys(call.params)
    raw = params.get("FILTER")
    wanted = dict(raw) if isinstance(raw, dict) else {}
    for name in COLUMNS:
        if name in params and name != "SORT":
            wanted[name] = params[name]
    return _list(call, lambda row: all(_row_passes(row, key, value) for key, value in wanted.items()))


@method("user.search")
def user_search(call: Call) -> Answer:
    """Users by words of their name, position or department. Source: api-reference/user/user-search.md."""
    params = upper_keys(call.params)
    raw = params.get("FILTER")
    wanted = upper_keys(raw if isinstance(raw, dict) else params)
    names = {row["id"]: row["name"] for row in call.db.execute("SELECT id, name FROM departments")}

    def passes(row: Any) -> bool:
        own = " ".join(names.get(one, "") for one in json.loads(row["departments"]))
        text = {"NAME": row["name"], "LAST_NAME": row["last_name"], "WORK_POSITION": row["position"]}
        text |= {"UF_DEPARTMENT_NAME": own, "USER_TYPE": row["user_type"]}
        if "FIND" in wanted:
            everything = " ".join(text.values()).casefold()
            return bool(row["active"]) and all(
                word in everything for word in str(wanted["FIND"]).casefold().split()
            )
        return bool(row["active"]) and all(
            text[key].casefold().startswith(str(value).strip("%").casefold())
            for key, value in wanted.items()
            if key in text
        )

    return _list(call, passes)


@method("user.current")
def user_current(call: Call) -> dict[str, Any]:
    """The calling user. Source: api-reference/user/user-current.md."""
    row = call.db.execute("SELECT * FROM users WHERE id = ?", (call.user_id,)).fetchone()
    shown = card(row, contacts=user_scope(call))
    if "LAST_ACTIVITY_DATE" in shown:
        # a text here, an object in user.get and user.search
        shown["LAST_ACTIVITY_DATE"] = call.portal.now().replace(tzinfo=None).isoformat(sep=" ")
    return shown


def _department(row: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"ID": str(row["id"]), "NAME": row["name"], "SORT": row["sort"]}
    if row["parent"]:
        fields["PARENT"] = str(row["parent"])
    if row["head"]:
        fields["UF_HEAD"] = str(row["head"])
    return fields


@method("department.get", scope="department")
def department_get(call: Call) -> Answer:
    """Departments by equal fields, 50 a page. Source: api-reference/departments/department-get.md."""
    params = upper_keys(call.params)
    columns = {"ID": "id", "NAME": "name", "SORT": "sort", "PARENT": "parent", "UF_HEAD": "head"}
    rows = call.db.execute("SELECT * FROM departments").fetchall()
    for name, column in columns.items():
        if name in params and not (name == "SORT" and not str(params[name]).isdigit()):
            wanted = {str(one) for one in listed(params[name])}
            rows = [row for row in rows if str(row[column]) in wanted]
    key = columns.get(str(params.get("SORT") or "ID").upper(), "id")
    rows.sort(
        key=lambda row: (row[key] is not None, row[key]), reverse=str(params.get("ORDER")).upper() == "DESC"
    )
    page, total, following = page_of(rows, params.get("START"))
    return Answer([_department(row) for row in page], total, following)


@method("department.fields", scope="department")
def department_fields(_call: Call) -> dict[str, str]:
    """Titles of a department's fields. Source: api-reference/departments/department-fields.md."""
    return {
        "ID": "ID", "NAME": "Название подразделения", "SORT": "Порядок сортировки",
        "PARENT": "Вышестоящее подразделение", "UF_HEAD": "Руководитель",
    }  # fmt: skip


#: Titles of fields; the others are called by their names.
FIELD_TITLES = {
    "ID": "ID", "XML_ID": "Внешний код", "ACTIVE": "Активность", "NAME": "Имя", "LAST_NAME": "Фамилия",
    "SECOND_NAME": "Отчество", "TITLE": "Обращение", "EMAIL": "E-Mail", "LAST_LOGIN": "Последняя авторизация",
    "DATE_REGISTER": "Дата регистрации", "PERSONAL_GENDER": "Пол", "PERSONAL_PROFESSION": "Профессия",
    "PERSONAL_WWW": "Страница в интернете", "PERSONAL_BIRTHDAY": "Дата рождения", "PERSONAL_PHOTO": "Фотография",
    "PERSONAL_ICQ": "ICQ", "PERSONAL_PHONE": "Телефон", "PERSONAL_FAX": "Факс",
    "PERSONAL_MOBILE": "Мобильный телефон", "PERSONAL_PAGER": "Пейджер", "PERSONAL_STREET": "Улица",
    "PERSONAL_CITY": "Город", "PERSONAL_STATE": "Область / край", "PERSONAL_ZIP": "Почтовый индекс",
    "PERSONAL_COUNTRY": "Страна", "PERSONAL_MAILBOX": "Почтовый ящик", "PERSONAL_NOTES": "Дополнительные заметки",
    "WORK_PHONE": "Рабочий телефон", "WORK_COMPANY": "Компания", "WORK_POSITION": "Должность",
    "WORK_DEPARTMENT": "Департамент / Отдел", "WORK_WWW": "Сайт компании", "WORK_CITY": "Город работы",
    "UF_SKYPE_LINK": "Ссылка на чат в Skype", "UF_ZOOM": "Zoom", "UF_EMPLOYMENT_DATE": "Дата принятия на работу",
    "UF_TIMEMAN": "Учёт рабочего времени", "UF_DEPARTMENT": "Подразделения", "UF_INTERESTS": "Интересы",
    "UF_SKILLS": "Навыки", "UF_WEB_SITES": "Другие сайты", "UF_XING": "Xing", "UF_LINKEDIN": "LinkedIn",
    "UF_TWITTER": "Twitter", "UF_SKYPE": "Skype", "UF_DISTRICT": "Район", "UF_PHONE_INNER": "Внутренний телефон",
}  # fmt: skip
OTHER_FIELDS = (
    "TIME_ZONE", "IS_ONLINE", "TIMESTAMP_X", "LAST_ACTIVITY_DATE", "WORK_FAX", "WORK_PAGER", "WORK_STREET",
    "WORK_MAILBOX", "WORK_STATE", "WORK_ZIP", "WORK_COUNTRY", "WORK_PROFILE", "WORK_LOGO", "WORK_NOTES", "USER_TYPE",
)  # fmt: skip


@method("user.fields")
def user_fields(call: Call) -> dict[str, str]:
    """Titles of a user's fields, more than ``user.get`` fills. Source: api-reference/user/user-fields.md."""
    contacts = user_scope(call)
    names = (*FIELD_TITLES, *OTHER_FIELDS) if contacts else SHORT
    return {name: FIELD_TITLES.get(name, name) for name in names}
