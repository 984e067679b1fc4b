"""user.*, department.get, basic methods, im.notify.*: api-reference/user/, departments/, common/, chats/."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from b24.sandbox import users
from b24.sandbox.server import Sandbox
from tests.b24.sandbox.client import Rest


@pytest.fixture(scope="module", autouse=True)
def people(sandbox: Sandbox) -> dict[str, int]:
    """A small sales department with a head and a dismissed colleague, and sixty colleagues in support."""
    portal = sandbox.portal
    with portal.transaction():
        sales = users.add_department(portal, "Отдел продаж")
        support = users.add_department(portal, "Поддержка", parent=sales)
        head = users.add_user(
            portal,
            name="Галина",
            last_name="Главная",
            email="g@example.test",
            departments=[sales],
            position="Начальник отдела",
        )
        users.set_head(portal, sales, head)
        gone = users.add_user(
            portal, name="Пётр", last_name="Ушёл", email="", departments=[sales], active=False
        )
        for number in range(60):
            email = f"s{number}@example.test"
            name = f"Имя{number:02}"
            users.add_user(portal, name=name, last_name="Помощник", email=email, departments=[support])
    return {"sales": sales, "support": support, "head": head, "gone": gone}


def ids(rest: Rest, params: dict[str, Any]) -> list[str]:
    return [one["ID"] for one in rest("user.get", params)]


def test_a_user_has_the_documented_keys_and_types(rest: Rest) -> None:
    person = rest("user.get", {"ID": 1})[0]
    assert set(person) >= {
        "ID", "ACTIVE", "NAME", "LAST_NAME", "SECOND_NAME", "EMAIL", "LAST_LOGIN", "DATE_REGISTER",
        "TIME_ZONE",
        "IS_ONLINE", "TIMESTAMP_X", "LAST_ACTIVITY_DATE", "PERSONAL_GENDER", "PERSONAL_WWW",
        "PERSONAL_BIRTHDAY",
        "PERSONAL_MOBILE", "PERSONAL_CITY", "WORK_PHONE", "WORK_POSITION", "UF_EMPLOYMENT_DATE",
        "UF_DEPARTMENT",
        "USER_TYPE",
    }  # fmt: skip
    assert person["ID"] == "1"
    assert person["ACTIVE"] is True
    assert person["UF_DEPARTMENT"] == [1]


def test_pages_have_fifty_with_total_and_next(rest: Rest) -> None:
    first = rest.answer("user.get", {"FILTER": {"LAST_NAME": "Помощник"}})
    assert (len(first["result"]), first["total"], first["next"]) == (50, 60, 50)
    second = rest.answer("user.get", {"FILTER": {"LAST_NAME": "Помощник"}, "start": 50})
    assert (len(second["result"]), second["total"]) == (10, 60)
    assert "next" not in second


def test_without_counting_there_is_no_next(rest: Rest) -> None:
    page = rest.answer("user.get", {"start": -1})
    assert len(page["result"]) == 50
    assert "next" not in page


def test_dismissed_people_are_found_unless_excluded(rest: Rest, people: dict[str, int]) -> None:
    gone = str(people["gone"])
    assert gone in ids(rest, {"FILTER": {"UF_DEPARTMENT": people["sales"]}})
    assert gone not in ids(rest, {"FILTER": {"UF_DEPARTMENT": people["sales"], "ACTIVE": True}})
    assert ids(rest, {"FILTER": {"ACTIVE": False}}) == [gone]
    assert ids(rest, {"ACTIVE": "N"}) == [gone]


FILTERS: list[tuple[dict[str, Any], int]] = [
    ({"NAME": "Имя07"}, 1),
    ({"@NAME": ["Имя07", "Имя08"]}, 2),
    ({"NAME": ["Имя07", "Имя08"]}, 2),
    ({"!@LAST_NAME": ["Помощник"]}, 3),
    ({"!LAST_NAME": "Помощник"}, 3),
    ({"%LAST_NAME": "омощ"}, 60),
    ({"=%NAME": "Имя0%"}, 10),
    ({"%=NAME": "%9"}, 6),
    ({"!%LAST_NAME": "омощ"}, 3),
    ({">=ID": 1, "<ID": 3}, 2),
    ({"WORK_POSITION": "Начальник отдела"}, 1),
    ({"NAME_SEARCH": "галина глав"}, 1),
    ({"EMAIL": "S3@EXAMPLE.TEST"}, 1),
    ({"ID": "abc"}, 0),
    ({"ID": []}, 0),
    ({"UNKNOWN": 1}, 63),
]


@pytest.mark.parametrize(("filter_", "count"), FILTERS)
def test_filters_have_the_documented_prefixes(rest: Rest, filter_: dict[str, Any], count: int) -> None:
    assert rest.answer("user.get", {"FILTER": filter_})["total"] == count


def test_people_are_sorted_and_fields_selected(rest: Rest) -> None:
    found = rest("user.get", {"sort": "ID", "order": "DESC", "select": ["NAME", "UF_*"], "start": 0})
    assert int(found[0]["ID"]) > int(found[-1]["ID"])
    assert set(found[0]) == {"ID", "NAME", "UF_EMPLOYMENT_DATE", "UF_DEPARTMENT"}


def test_search_looks_in_names_positions_and_departments(rest: Rest, people: dict[str, int]) -> None:
    assert [one["ID"] for one in rest("user.search", {"FILTER": {"FIND": "начальник продаж"}})] == [
        str(people["head"])
    ]
    assert rest.answer("user.search", {"FILTER": {"UF_DEPARTMENT_NAME": "Поддержка"}})["total"] == 60
    assert rest("user.search", {"FILTER": {"NAME": "Пётр"}}) == []


def test_contact_details_depend_on_the_scope(rest: Rest) -> None:
    for scope, seen in (("user_brief", False), ("user_basic", True), ("user", True)):
        app = rest.control("apps", {"handler_url": "http://127.0.0.1:9/", "scopes": scope})
        token = rest.control(f"apps/{app['id']}/open")["fields"]["AUTH_ID"]
        me = rest("user.current", token=token)
        assert ("EMAIL" in me) is seen
        assert ("PERSONAL_MOBILE" in me) is seen
        assert me["NAME"]


def test_departments_have_string_ids_and_their_heads(rest: Rest, people: dict[str, int]) -> None:
    answer = rest.answer("department.get", {"ID": people["sales"]})
    assert answer["result"] == [
        {
            "ID": str(people["sales"]),
            "NAME": "Отдел продаж",
            "SORT": 500,
            "PARENT": "1",
            "UF_HEAD": str(people["head"]),
        }
    ]
    assert answer["total"] == 1
    assert rest.answer("department.get", {"PARENT": people["sales"]})["result"][0]["NAME"] == "Поддержка"
    assert [one["ID"] for one in rest("department.get", {"sort": "ID", "order": "DESC"})][-1] == "1"
    assert "PARENT" not in rest("department.get", {"ID": 1})[0]


def test_the_profile_tells_who_calls_without_any_scope(rest: Rest) -> None:
    person = rest.control("users", {"name": "Ольга", "last_name": "Обычная"})
    assert rest("profile", token=person["access_token"]) == {
        "ID": str(person["id"]), "ADMIN": False, "NAME": "Ольга", "LAST_NAME": "Обычная",
        "PERSONAL_GENDER": "",
        "TIME_ZONE": "",
    }  # fmt: skip
    assert rest("user.admin", token=person["access_token"]) is False
    assert rest("user.admin") is True


def test_methods_tell_whether_they_exist_and_may_be_called(rest: Rest) -> None:
    app = rest.control("apps", {"handler_url": "http://127.0.0.1:9/", "scopes": "crm"})
    token = rest.control(f"apps/{app['id']}/open")["fields"]["AUTH_ID"]
    cases = {
        "user.current": (True, True),
        "department.get": (True, False),
        "no.such": (False, False),
        "": (False, False),
    }
    for name, (existing, available) in cases.items():
        got = rest("method.get", {"name": name}, token=token)
        assert got == {"isExisting": existing, "isAvailable": available}
    assert "department.get" not in rest("methods", token=token)
    assert "department.get" in rest("methods", {"full": True}, token=token)


def test_features_and_scopes(rest: Rest) -> None:
    assert rest("feature.get", {"CODE": "rest_offline_extended"}) == {"value": "Y"}
    assert rest("feature.get", {"CODE": "unknown"}) == {"value": "N"}
    refused = rest.send("feature.get")
    assert (refused.status_code, refused.json()["error"]) == (400, "CODE_EMPTY")
    assert {"crm", "placement", "im"} <= set(rest("scope"))
    assert "crm" in rest("scope", {"full": True})


def test_app_info_has_the_documented_keys(rest: Rest) -> None:
    info = rest("app.info")
    assert set(info) == {
        "ID", "CODE", "VERSION", "STATUS", "INSTALLED", "PAYMENT_EXPIRED", "DAYS", "LANGUAGE_ID", "LICENSE",
        "LICENSE_TYPE", "LICENSE_FAMILY",
    }  # fmt: skip
    assert isinstance(info["ID"], int)
    assert info["INSTALLED"] is True
    assert info["CODE"] == rest.access["client_id"]


def bell(rest: Rest) -> list[str]:
    return [one["text"] for one in rest("im.notify.get")["notifications"]]


def test_a_notification_with_the_same_tag_replaces_the_older_one(rest: Rest) -> None:
    assert bell(rest) == []
    first = rest("im.notify.system.add", {"USER_ID": 1, "MESSAGE": " Первое ", "TAG": "EVENT|1"})
    second = rest("im.notify.system.add", {"USER_ID": 1, "MESSAGE": "Второе", "TAG": "EVENT|1"})
    other = rest("im.notify.personal.add", {"USER_ID": 1, "MESSAGE": "Другое"})
    assert isinstance(first, int)
    assert first < second < other
    assert bell(rest) == ["Другое", "Второе"]
    got = rest("im.notify.get")
    assert (got["total_count"], got["total_unread_count"]) == (2, 2)
    assert [one["id"] for one in got["users"]] == [1]
    assert rest("im.notify.read", {"ID": other, "ONLY_CURRENT": "Y"}) is True
    assert rest("im.notify.get")["total_unread_count"] == 1
    assert rest("im.notify.delete", {"TAG": "EVENT|1"}) is True
    assert rest("im.notify.delete", {"ID": other}) is True
    assert bell(rest) == []


NOTIFY_ERRORS = [
    ({}, "USER_ID_EMPTY"),
    ({"USER_ID": 0, "MESSAGE": "x"}, "USER_ID_EMPTY"),
    ({"USER_ID": "x", "MESSAGE": "x"}, "USER_ID_EMPTY"),
    ({"USER_ID": 1, "MESSAGE": "  "}, "MESSAGE_EMPTY"),
    ({"USER_ID": 1, "MESSAGE": "x", "ATTACH": "y" * 60_001}, "ATTACH_OVERSIZE"),
]


@pytest.mark.parametrize(("params", "code"), NOTIFY_ERRORS)
def test_a_bad_notification_is_refused(rest: Rest, params: dict[str, Any], code: str) -> None:
    refused = rest.send("im.notify.system.add", params)
    assert (refused.status_code, refused.json()["error"]) == (400, code)


def test_a_notification_to_nobody_is_false(rest: Rest, people: dict[str, int]) -> None:
    for user_id in (people["gone"], 99_999):
        assert rest("im.notify.system.add", {"USER_ID": user_id, "MESSAGE": "x"}) is False


def test_the_last_activity_is_a_text_for_oneself_and_an_object_in_lists(rest: Rest) -> None:
    assert datetime.fromisoformat(rest("user.current")["LAST_ACTIVITY_DATE"]).tzinfo is None
    assert rest("user.get")[0]["LAST_ACTIVITY_DATE"] == {}


def test_fields_of_users_and_departments_have_titles(rest: Rest) -> None:
    titles = rest("user.fields")
    assert (titles["ID"], titles["WORK_POSITION"]) == ("ID", "Должность")
    assert set(rest("user.get")[0]) <= set(titles)
    assert {"WORK_COMPANY", "UF_PHONE_INNER", "PERSONAL_STATE"} <= set(titles)
    assert set(rest("department.fields")) == {"ID", "NAME", "SORT", "PARENT", "UF_HEAD"}
