"""crm.activity.add of a mail: tutorials/crm/how-to-add-crm-objects/how-to-send-email.md."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.b24.sandbox.client import Refused, Rest

TO = "guest@example.test"
REFUSALS = {
    "no subject": ({"SUBJECT": ""}, "The field SUBJECT is not defined or empty"),
    "no responsible": ({"RESPONSIBLE_ID": 0}, "The field RESPONSIBLE_ID is not defined or invalid"),
    "no type": ({"TYPE_ID": ""}, "The field TYPE_ID is not defined or invalid"),
    "no channel": ({"COMMUNICATIONS": []}, "The field COMMUNICATIONS is not defined or invalid"),
    "an empty address": (
        {"COMMUNICATIONS": [{"VALUE": ""}]},
        "The field COMMUNICATIONS is not defined or invalid",
    ),
    "a channel of another kind": (
        {"COMMUNICATIONS": [{"VALUE": TO, "TYPE": "PHONE"}]},
        "The field COMMUNICATIONS is not defined or invalid",
    ),
    "two recipients": (
        {"COMMUNICATIONS": [{"VALUE": TO}, {"VALUE": "two@example.test"}]},
        "The only one communication is allowed for activity of specified type",
    ),
    "no such card": ({"OWNER_ID": 99999}, "Could not find 'CONTACT' with ID: 99999"),
}
NOT_SENT = {
    "a sender that is no address": (
        {"SETTINGS": {"MESSAGE_FROM": "Вектор <nobody>"}},
        "Email send error. Invalid email is specified",
    ),
    "a recipient that is no address": (
        {"COMMUNICATIONS": [{"VALUE": "not an address"}]},
        "Email send error. Invalid email is specified",
    ),
    "no sender at all": ({"SETTINGS": {}}, 'Email send error. "From" is not found'),
}


@pytest.fixture(scope="module")
def contact(rest: Rest) -> int:
    fields = {"NAME": "Анна", "EMAIL": [{"VALUE": TO, "VALUE_TYPE": "WORK"}]}
    return int(rest("crm.contact.add", {"fields": fields}))


@pytest.fixture
def shared_mailbox(rest: Rest) -> Iterator[None]:
    rest.control("mailboxes", {"email": "crm@example.test"})
    yield
    rest.control("mailboxes", {"email": ""})


def letter(contact: int, **fields: Any) -> dict[str, Any]:
    """The tutorial's example."""
    return {
        "fields": {
            "SUBJECT": "Письмо",
            "DESCRIPTION": "<p>Ваш <b>билет</b></p>",
            "DESCRIPTION_TYPE": 3,
            "COMPLETED": "Y",
            "DIRECTION": 2,
            "OWNER_ID": contact,
            "OWNER_TYPE_ID": 3,
            "TYPE_ID": 4,
            "COMMUNICATIONS": [{"VALUE": TO, "ENTITY_ID": contact, "ENTITY_TYPE_ID": 3}],
            "RESPONSIBLE_ID": 1,
            "SETTINGS": {"MESSAGE_FROM": "Вектор <events@example.test>", "DISABLE_SENDING_MESSAGE_COPY": "Y"},
            **fields,
        }
    }


def box(rest: Rest) -> list[dict[str, Any]]:
    return list(rest.control("mail.json", method="GET"))


def test_an_outgoing_completed_mail_is_sent_and_stands_in_the_card(rest: Rest, contact: int) -> None:
    attached = {"fileData": ["ticket.png", base64.b64encode(b"\x89PNG").decode()]}
    number = rest("crm.activity.add", letter(contact, FILES=[attached], ORIGINATOR_ID="app", ORIGIN_ID="m1"))
    (line,) = box(rest)
    assert (line["to"], line["from"], line["subject"]) == (TO, "Вектор <events@example.test>", "Письмо")
    full = rest.control(f"mail/{line['id']}.json", method="GET")
    assert "<b>билет</b>" in full["html"]
    assert [(one["name"], base64.b64decode(one["content"])) for one in full["attachments"]] == [
        ("ticket.png", b"\x89PNG")
    ]
    asked = {
        "filter": {"ORIGINATOR_ID": "app", "@ORIGIN_ID": ["m1"]},
        "select": ["*", "COMMUNICATIONS", "FILES"],
    }
    (shown,) = rest("crm.activity.list", asked)
    assert shown["ID"] == str(number)
    assert (shown["TYPE_ID"], shown["DIRECTION"], shown["COMPLETED"]) == ("4", "2", "Y")
    assert [(one["TYPE"], one["VALUE"]) for one in shown["COMMUNICATIONS"]] == [("EMAIL", TO)]
    assert [(one["NAME"], one["BYTES"]) for one in shown["FILES"]] == [("ticket.png", 4)]
    page = rest.http.get(f"{rest.url}/crm/contact/details/{contact}/").text
    assert "Письмо: Письмо" in page
    assert f"/sandbox/mail/{line['id']}" in page


@pytest.mark.parametrize("missing", [{"COMPLETED": "N"}, {"DIRECTION": 1}])
def test_without_one_of_the_three_conditions_it_is_only_recorded(
    rest: Rest, contact: int, missing: dict[str, Any]
) -> None:
    before = box(rest)
    assert rest("crm.activity.add", letter(contact, **missing)) > 0
    assert box(rest) == before


def test_the_sender_gets_a_copy_unless_it_is_told_not_to(rest: Rest, contact: int) -> None:
    before = len(box(rest))
    rest("crm.activity.add", letter(contact, SETTINGS={"MESSAGE_FROM": "Вектор <events@example.test>"}))
    assert {one["to"] for one in box(rest)[: len(box(rest)) - before]} == {TO, "events@example.test"}


def test_without_a_sender_the_mailbox_of_the_employee_then_of_the_crm_is_taken(
    rest: Rest, contact: int, shared_mailbox: None
) -> None:
    rest("crm.activity.add", letter(contact, SETTINGS={}))
    assert box(rest)[0]["from"] == "crm@example.test"
    rest.control("mailboxes", {"user_id": 1, "email": "anna@example.test"})
    rest("crm.activity.add", letter(contact, SETTINGS={}))
    assert box(rest)[0]["from"] == "anna@example.test"
    rest.control("mailboxes", {"user_id": 1, "email": ""})


def counted(rest: Rest, contact: int) -> int:
    return len(
        rest("crm.activity.list", {"filter": {"OWNER_TYPE_ID": 3, "OWNER_ID": contact}, "select": ["ID"]})
    )


@pytest.mark.parametrize(("fields", "says"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_refused_leaves_nothing(rest: Rest, contact: int, fields: dict[str, Any], says: str) -> None:
    before = counted(rest, contact), box(rest)
    with pytest.raises(Refused) as caught:
        rest("crm.activity.add", letter(contact, **fields))
    assert (caught.value.code, caught.value.body["error_description"]) == ("", says)
    assert (counted(rest, contact), box(rest)) == before


@pytest.mark.parametrize(("fields", "says"), NOT_SENT.values(), ids=NOT_SENT)
@pytest.mark.parametrize("batched", [False, True], ids=["alone", "in a batch"])
def test_a_mail_that_cannot_be_sent_stays_as_an_activity(
    rest: Rest, contact: int, fields: dict[str, Any], says: str, batched: bool
) -> None:
    before, mails = counted(rest, contact), box(rest)
    if batched:
        error = rest.batch({"one": ["crm.activity.add", letter(contact, **fields)]})["result_error"]["one"]
    else:
        with pytest.raises(Refused) as caught:
            rest("crm.activity.add", letter(contact, **fields))
        error = caught.value.body
    assert error["error_description"] == says
    assert (counted(rest, contact), box(rest)) == (before + 1, mails)
