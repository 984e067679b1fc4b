"""crm.lead.*, crm.deal.*, crm.contact.*, crm.company.*: names and values as the vendor's pages show them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Rest
from tests.b24.sandbox.crm.build import add

#: What the pages crm-*-fields.md list, custom and parent fields aside.
FIELDS = {
    "contact": """ID HONORIFIC NAME SECOND_NAME LAST_NAME PHOTO BIRTHDATE TYPE_ID SOURCE_ID SOURCE_DESCRIPTION POST
        ADDRESS ADDRESS_2 ADDRESS_CITY ADDRESS_POSTAL_CODE ADDRESS_REGION ADDRESS_PROVINCE ADDRESS_COUNTRY
        ADDRESS_COUNTRY_CODE ADDRESS_LOC_ADDR_ID COMMENTS OPENED EXPORT HAS_PHONE HAS_EMAIL HAS_IMOL ASSIGNED_BY_ID
        CREATED_BY_ID MODIFY_BY_ID DATE_CREATE DATE_MODIFY COMPANY_ID COMPANY_IDS LEAD_ID ORIGINATOR_ID ORIGIN_ID
        ORIGIN_VERSION UTM_SOURCE UTM_MEDIUM UTM_CAMPAIGN UTM_CONTENT UTM_TERM LAST_ACTIVITY_TIME LAST_ACTIVITY_BY
        PHONE EMAIL WEB IM LINK""",
    "company": """ID TITLE COMPANY_TYPE LOGO ADDRESS ADDRESS_2 ADDRESS_CITY ADDRESS_POSTAL_CODE ADDRESS_REGION
        ADDRESS_PROVINCE ADDRESS_COUNTRY ADDRESS_COUNTRY_CODE ADDRESS_LOC_ADDR_ID ADDRESS_LEGAL REG_ADDRESS
        REG_ADDRESS_2 REG_ADDRESS_CITY REG_ADDRESS_POSTAL_CODE REG_ADDRESS_REGION REG_ADDRESS_PROVINCE
        REG_ADDRESS_COUNTRY REG_ADDRESS_COUNTRY_CODE REG_ADDRESS_LOC_ADDR_ID BANKING_DETAILS INDUSTRY EMPLOYEES
        CURRENCY_ID REVENUE OPENED COMMENTS HAS_PHONE HAS_EMAIL HAS_IMOL IS_MY_COMPANY ASSIGNED_BY_ID CREATED_BY_ID
        MODIFY_BY_ID DATE_CREATE DATE_MODIFY CONTACT_ID LEAD_ID ORIGINATOR_ID ORIGIN_ID ORIGIN_VERSION UTM_SOURCE
        UTM_MEDIUM UTM_CAMPAIGN UTM_CONTENT UTM_TERM LAST_ACTIVITY_TIME LAST_ACTIVITY_BY LAST_COMMUNICATION_TIME
        PHONE EMAIL WEB IM LINK""",
    "lead": """ID TITLE HONORIFIC NAME SECOND_NAME LAST_NAME BIRTHDATE COMPANY_TITLE SOURCE_ID SOURCE_DESCRIPTION
        STATUS_ID STATUS_DESCRIPTION STATUS_SEMANTIC_ID POST ADDRESS ADDRESS_2 ADDRESS_CITY ADDRESS_POSTAL_CODE
        ADDRESS_REGION ADDRESS_PROVINCE ADDRESS_COUNTRY ADDRESS_COUNTRY_CODE ADDRESS_LOC_ADDR_ID CURRENCY_ID
        OPPORTUNITY IS_MANUAL_OPPORTUNITY OPENED COMMENTS HAS_PHONE HAS_EMAIL HAS_IMOL ASSIGNED_BY_ID CREATED_BY_ID
        MODIFY_BY_ID MOVED_BY_ID DATE_CREATE DATE_MODIFY MOVED_TIME COMPANY_ID CONTACT_ID CONTACT_IDS
        IS_RETURN_CUSTOMER DATE_CLOSED ORIGINATOR_ID ORIGIN_ID UTM_SOURCE UTM_MEDIUM UTM_CAMPAIGN UTM_CONTENT
        UTM_TERM LAST_ACTIVITY_TIME LAST_ACTIVITY_BY PHONE EMAIL WEB IM LINK""",
    "deal": """ID TITLE TYPE_ID CATEGORY_ID STAGE_ID STAGE_SEMANTIC_ID IS_NEW IS_RECURRING IS_RETURN_CUSTOMER
        IS_REPEATED_APPROACH PROBABILITY CURRENCY_ID OPPORTUNITY IS_MANUAL_OPPORTUNITY TAX_VALUE COMPANY_ID
        CONTACT_ID CONTACT_IDS QUOTE_ID BEGINDATE CLOSEDATE OPENED CLOSED COMMENTS ASSIGNED_BY_ID CREATED_BY_ID
        MODIFY_BY_ID MOVED_BY_ID DATE_CREATE DATE_MODIFY MOVED_TIME SOURCE_ID SOURCE_DESCRIPTION LEAD_ID
        ADDITIONAL_INFO LOCATION_ID ORIGINATOR_ID ORIGIN_ID UTM_SOURCE UTM_MEDIUM UTM_CAMPAIGN UTM_CONTENT UTM_TERM
        LAST_ACTIVITY_TIME LAST_ACTIVITY_BY""",
}


@pytest.mark.parametrize("name", FIELDS)
def test_fields_are_those_of_the_documentation(rest: Rest, name: str) -> None:
    fields = rest(f"crm.{name}.fields")
    assert {key for key in fields if not key.startswith(("UF_", "PARENT_ID_"))} == set(FIELDS[name].split())
    usual = {"type", "isRequired", "isReadOnly", "isImmutable", "isMultiple", "isDynamic", "title"}
    assert all(usual <= set(each) for each in fields.values())


DESCRIBED: list[tuple[str, str, dict[str, Any]]] = [
    ("contact", "PHONE", {"type": "crm_multifield", "isMultiple": True}),
    ("contact", "HAS_PHONE", {"type": "char", "isReadOnly": True}),
    ("contact", "COMPANY_ID", {"type": "crm_company", "isDeprecated": True}),
    ("contact", "COMPANY_IDS", {"type": "crm_company", "isMultiple": True}),
    ("contact", "LEAD_ID", {"isReadOnly": True, "settings": {"parentEntityTypeId": 1}}),
    ("company", "CONTACT_ID", {"type": "crm_contact", "isMultiple": True}),
    ("deal", "COMPANY_ID", {"settings": {"parentEntityTypeId": 4}}),
    ("deal", "CATEGORY_ID", {"type": "crm_category", "isImmutable": True}),
    ("deal", "CONTACT_ID", {"isDeprecated": True}),
    ("deal", "STAGE_ID", {"type": "crm_status", "statusType": "DEAL_STAGE"}),
    ("lead", "STATUS_ID", {"type": "crm_status", "statusType": "STATUS"}),
]


@pytest.mark.parametrize(("name", "field", "expected"), DESCRIBED)
def test_a_field_is_described_as_documented(
    rest: Rest, name: str, field: str, expected: dict[str, Any]
) -> None:
    shown = rest(f"crm.{name}.fields")[field]
    assert {key: shown.get(key) for key in expected} == expected


def test_a_fresh_lead_reads_as_captured_ones_do(rest: Rest) -> None:
    number = rest("crm.lead.add", {"fields": {"TITLE": "Лид", "OPPORTUNITY": 3607999}})
    lead = rest("crm.lead.get", {"id": number})
    assert lead["ID"] == str(number)
    assert lead["OPPORTUNITY"] == "3607999.00"
    assert (lead["BIRTHDATE"], lead["DATE_CLOSED"]) == ("", "")
    assert (lead["COMPANY_ID"], lead["CONTACT_ID"], lead["ADDRESS_CITY"]) == (None, None, None)
    assert all(value is None or isinstance(value, str) for value in lead.values())
    assert not {"PHONE", "EMAIL", "WEBFORM_ID", "CONTACT_IDS"} & set(lead)


@pytest.mark.parametrize("name", ["fields", "FIELDS"])
def test_names_of_parameters_are_read_in_both_cases(rest: Rest, name: str) -> None:
    number = rest("crm.deal.add", {name: {"TITLE": "Сделка"}})
    upper = name.isupper()
    assert rest("crm.deal.update", {"ID" if upper else "id": number, name: {"TITLE": "Другая"}}) is True
    keys = ("FILTER", "SELECT") if upper else ("filter", "select")
    rows = rest("crm.deal.list", dict(zip(keys, ({"ID": number}, ["TITLE"]), strict=True)))
    assert rows == [{"ID": str(number), "TITLE": "Другая"}]


def test_a_custom_flag_reads_as_a_digit(rest: Rest) -> None:
    field = {"entityId": "CRM_DEAL", "fieldName": "UF_CRM_DEAL_VIP", "userTypeId": "boolean"}
    rest("userfieldconfig.add", {"moduleId": "crm", "field": field})
    yes = rest("crm.deal.add", {"fields": {"TITLE": "a", "UF_CRM_DEAL_VIP": "1"}})
    no = rest("crm.deal.add", {"fields": {"TITLE": "b"}})
    assert rest("crm.deal.get", {"id": yes})["UF_CRM_DEAL_VIP"] == "1"
    assert rest("crm.deal.get", {"id": no})["UF_CRM_DEAL_VIP"] == "0"


def test_what_a_form_left_is_shown_when_asked_for_by_name(rest: Rest) -> None:
    deal = add(rest, 2, title="Из формы", webformId=4, utmSource="mail")
    assert rest("crm.deal.get", {"id": deal["id"]})["WEBFORM_ID"] == "4"
    rows = rest("crm.deal.list", {"filter": {"ID": deal["id"]}, "select": ["WEBFORM_ID", "UTM_SOURCE"]})
    assert rows == [{"ID": str(deal["id"]), "WEBFORM_ID": "4", "UTM_SOURCE": "mail"}]
    assert "WEBFORM_ID" not in rest("crm.deal.list", {"filter": {"ID": deal["id"]}, "select": ["*"]})[0]


@pytest.mark.parametrize(
    ("method", "key"),
    [("crm.deal.contact.fields", "CONTACT_ID"), ("crm.lead.contact.fields", "CONTACT_ID"),
     ("crm.company.contact.fields", "CONTACT_ID"), ("crm.contact.company.fields", "COMPANY_ID")],
)  # fmt: skip
def test_bonds_describe_their_fields(rest: Rest, method: str, key: str) -> None:
    fields = rest(method)
    assert set(fields) == {key, "SORT", "IS_PRIMARY"}
    assert fields[key]["isRequired"] is True


def test_a_funnel_of_deals_keeps_the_marks_of_another_system(rest: Rest) -> None:
    fields = {"name": "Из 1С", "originId": "77", "originatorId": "1C"}
    made = rest("crm.category.add", {"entityTypeId": 2, "fields": fields})["category"]
    assert (made["originId"], made["originatorId"]) == ("77", "1C")
    changed = {"entityTypeId": 2, "id": made["id"], "fields": {"originId": "78"}}
    assert rest("crm.category.update", changed)["category"]["originId"] == "78"
    described = rest("crm.category.fields", {"entityTypeId": 2})["fields"]
    assert described["originatorId"]["upperName"] == "ORIGINATOR_ID"
    assert described["isDefault"]["isReadOnly"] is True


def test_a_contact_without_a_face_says_so(rest: Rest) -> None:
    number = rest("crm.contact.add", {"fields": {"NAME": "Анна"}})
    assert rest("crm.contact.get", {"id": number})["FACE_ID"] is None


def test_a_label_stands_in_every_language_of_the_cloud(rest: Rest) -> None:
    fields = {"FIELD_NAME": "SPOKEN", "USER_TYPE_ID": "string", "LABEL": "Код"}
    number = rest("crm.deal.userfield.add", {"fields": fields})
    shown = rest("crm.deal.userfield.get", {"id": number})
    assert len(shown["EDIT_FORM_LABEL"]) == 21
    assert set(shown["EDIT_FORM_LABEL"].values()) == {"Код"}
    assert (shown["HELP_MESSAGE"]["de"], shown["HELP_MESSAGE"]["kz"]) == ("", "")
