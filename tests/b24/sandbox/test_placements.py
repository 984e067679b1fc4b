"""placement.*: api-reference/widgets/placement-*.md."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Refused, Rest

HANDLER = "https://myapp.com/?handler=1"


@pytest.fixture(autouse=True)
def unbound(rest: Rest) -> Any:
    yield
    for one in rest("placement.get"):
        rest("placement.unbind", {"PLACEMENT": one["placement"]})


def test_a_widget_is_listed_with_the_documented_keys(rest: Rest) -> None:
    params = {
        "PLACEMENT": "CRM_DEAL_LIST_TOOLBAR", "HANDLER": HANDLER, "TITLE": "Add invoice", "DESCRIPTION": "",
        "LANG_ALL": {"de": {"TITLE": "Add invoice", "DESCRIPTION": "", "GROUP_NAME": "Documents"}},
        "OPTIONS": {"ignored": 1},
    }  # fmt: skip
    assert rest("placement.bind", params) is True
    assert rest("placement.get") == [
        {
            "placement": "CRM_DEAL_LIST_TOOLBAR", "userId": 0, "handler": HANDLER, "options": [],
            "title": "Add invoice", "description": "",
            "langAll": {"de": {"TITLE": "Add invoice", "DESCRIPTION": "", "GROUP_NAME": "Documents"}},
        }
    ]  # fmt: skip


def test_names_of_parameters_are_read_in_any_case(rest: Rest) -> None:
    assert rest("placement.bind", {"placement": "left_menu", "handler": HANDLER, "title": "Меню"}) is True
    assert rest("placement.get")[0]["placement"] == "LEFT_MENU"


def test_options_survive_where_the_documentation_uses_them(rest: Rest) -> None:
    rest("placement.bind", {"PLACEMENT": "IM_CONTEXT_MENU", "HANDLER": HANDLER})
    worker = {
        "PLACEMENT": "PAGE_BACKGROUND_WORKER",
        "HANDLER": HANDLER,
        "OPTIONS": {"errorHandlerUrl": HANDLER},
    }
    rest("placement.bind", {**worker, "USER_ID": 1})
    shown = {one["placement"]: one for one in rest("placement.get")}
    assert shown["IM_CONTEXT_MENU"]["options"] == {"extranet": "N", "context": "ALL", "role": "USER"}
    assert shown["PAGE_BACKGROUND_WORKER"]["options"] == {"errorHandlerUrl": HANDLER}
    assert shown["PAGE_BACKGROUND_WORKER"]["userId"] == 1


ERRORS: list[tuple[dict[str, Any], int, str]] = [
    ({"HANDLER": HANDLER}, 200, "ERROR_ARGUMENT"),
    ({"PLACEMENT": "LEFT_MENU"}, 200, "ERROR_ARGUMENT"),
    ({"PLACEMENT": "LEFT_MENU", "HANDLER": HANDLER, "USER_ID": 1}, 200, "ERROR_PLACEMENT_USER_MODE"),
    ({"PLACEMENT": "PAGE_BACKGROUND_WORKER", "HANDLER": HANDLER}, 200, "EMPTY_ERROR_HANDLER_URL"),
    ({"PLACEMENT": "CRM_NOTHING_DETAIL_TAB", "HANDLER": HANDLER}, 400, "ERROR_PLACEMENT_NOT_FOUND"),
    ({"PLACEMENT": "CRM_DYNAMIC_999999_DETAIL_TAB", "HANDLER": HANDLER}, 400, "ERROR_PLACEMENT_NOT_FOUND"),
    ({"PLACEMENT": "LEFT_MENU", "HANDLER": "nonsense"}, 400, "ERROR_WRONG_HANDLER_URL"),
    ({"PLACEMENT": "LEFT_MENU", "HANDLER": "javascript://a.example/"}, 400, "ERROR_UNSUPPORTED_PROTOCOL"),
    ({"PLACEMENT": ["LEFT_MENU"], "HANDLER": HANDLER}, 200, "ERROR_ARGUMENT"),
]


@pytest.mark.parametrize(("params", "status", "code"), ERRORS)
def test_binding_errors_have_their_code_and_status(
    rest: Rest, params: dict[str, Any], status: int, code: str
) -> None:
    answer = rest.send("placement.bind", params)
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert rest("placement.get") == []


def test_a_missing_argument_is_named(rest: Rest) -> None:
    assert rest.send("placement.bind", {}).json() == {
        "error": "ERROR_ARGUMENT", "error_description": "Argument 'PLACEMENT' is null or empty",
        "argument": "PLACEMENT",
    }  # fmt: skip


def test_a_place_for_one_handler_takes_no_second(rest: Rest) -> None:
    rest("placement.bind", {"PLACEMENT": "REST_APP_URI", "HANDLER": HANDLER})
    answer = rest.send("placement.bind", {"PLACEMENT": "REST_APP_URI", "HANDLER": "https://b.example/"})
    assert (answer.status_code, answer.json()["error"]) == (200, "ERROR_PLACEMENT_MAX_COUNT")


def test_the_same_handler_is_bound_once(rest: Rest) -> None:
    params = {"PLACEMENT": "CRM_DEAL_DETAIL_TAB", "HANDLER": HANDLER}
    rest("placement.bind", params)
    with pytest.raises(Refused) as refused:
        rest("placement.bind", params)
    assert (
        refused.value.body["error_description"] == "Unable to set placement handler: Handler already binded"
    )
    rest("placement.bind", {**params, "HANDLER": "https://b.example/"})
    assert len(rest("placement.get")) == 2


def test_unbinding_counts_every_widget_twice(rest: Rest) -> None:
    for name in "ab":
        rest("placement.bind", {"PLACEMENT": "CRM_DEAL_DETAIL_TAB", "HANDLER": f"https://{name}.example/"})
    one = {"PLACEMENT": "CRM_DEAL_DETAIL_TAB", "HANDLER": "https://a.example/"}
    assert rest("placement.unbind", one) == {"count": 2}
    assert rest("placement.unbind", one) == {"count": 0}
    assert rest("placement.unbind", {"PLACEMENT": "CRM_DEAL_DETAIL_TAB"}) == {"count": 2}


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, "Argument 'PLACEMENT' is null or empty"),
        ({"PLACEMENT": ["A"]}, "The value of an argument 'PLACEMENT' must be of type string"),
    ],
)
def test_unbinding_needs_a_place(rest: Rest, params: dict[str, Any], text: str) -> None:
    answer = rest.send("placement.unbind", params)
    assert (answer.status_code, answer.json()["error_description"]) == (400, text)


def test_places_of_the_applications_scopes_are_listed(rest: Rest) -> None:
    places = rest("placement.list")
    assert {"CRM_DEAL_DETAIL_TAB", "CRM_CONTACT_LIST_MENU", "LEFT_MENU", "TASK_VIEW_TAB"} <= set(places)
    assert set(rest("placement.list", {"SCOPE": "task"})) <= set(places)
    assert "CRM_DEAL_DETAIL_TAB" not in rest("placement.list", {"SCOPE": "task"})


def test_a_new_smart_process_brings_places_and_events_of_its_own(rest: Rest) -> None:
    made = rest("crm.type.add", {"fields": {"title": "Мероприятие"}})["type"]["entityTypeId"]
    assert f"CRM_DYNAMIC_{made}_DETAIL_TAB" in rest("placement.list")
    assert f"ONCRMDYNAMICITEMADD_{made}" in rest("events")
    assert rest("placement.bind", {"PLACEMENT": f"CRM_DYNAMIC_{made}_DETAIL_TAB", "HANDLER": HANDLER}) is True
    assert rest("event.bind", {"event": f"OnCrmDynamicItemAdd_{made}", "handler": HANDLER}) is True


@pytest.mark.parametrize("method", ["placement.bind", "placement.unbind", "placement.get"])
def test_widgets_are_for_administrators_in_an_application(rest: Rest, method: str) -> None:
    person = rest.control("users", {"name": "Павел", "last_name": "Простой"})
    refused = rest.send(method, {"PLACEMENT": "LEFT_MENU", "HANDLER": HANDLER}, token=person["access_token"])
    assert (refused.status_code, refused.json()["error"]) == (403, "ACCESS_DENIED")
    assert rest.hook(method).json()["error"] == "WRONG_AUTH_TYPE"
    assert rest.send("placement.list", token=person["access_token"]).status_code == 200
