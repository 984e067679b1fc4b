"""What a guest typed into a CRM form, read from the activity the form leaves on its card.

A form finds its client by phone or e-mail and compares no names, so only the answers tell who filled it in.
Source of their shape: bitrix24/b24phpsdk, Services/CRM/Activity/Result/WebForm; letter case differs in the wild.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from smart_process.people import Identity, email_of, phone_of

_CODES = {
    "CONTACT_LAST_NAME": "last_name",
    "CONTACT_NAME": "first_name",
    "CONTACT_EMAIL": "email",
    "CONTACT_PHONE": "phone",
    "CONTACT_POST": "position",
    "COMPANY_TITLE": "company_name",
    "LEAD_LAST_NAME": "last_name",
    "LEAD_NAME": "first_name",
    "LEAD_EMAIL": "email",
    "LEAD_PHONE": "phone",
    "LEAD_POST": "position",
    "LEAD_COMPANY_TITLE": "company_name",
}


def command(entity_type_id: int, item_id: int) -> tuple[str, Mapping[str, Any]]:
    """Ask for the answers a card was made of (crm/timeline/activities/activity-base/crm-activity-list)."""
    return "crm.activity.list", {
        "filter": {
            "PROVIDER_ID": "CRM_WEBFORM",
            "BINDINGS": [{"OWNER_TYPE_ID": entity_type_id, "OWNER_ID": item_id}],
        },
        "select": ["ID", "PROVIDER_PARAMS"],
        "order": {"ID": "ASC"},
    }


def read(found: Any, region: str) -> Identity | None:
    """The guest as they described themselves; ``None`` while the portal has no answers for the card.

    Args:
        found: the result of :func:`command`; of several fillings the first, which made the card.
        region: of phone numbers without a country (ISO 3166).
    """
    for activity in found if isinstance(found, Sequence) else []:
        answers = _answers(activity)
        if answers:
            return Identity(
                last_name=answers.get("last_name", ""),
                first_name=answers.get("first_name", ""),
                email=email_of(answers.get("email", "")),
                phone=phone_of(answers.get("phone", ""), region),
                company_name=answers.get("company_name", ""),
                position=answers.get("position", ""),
            )
    return None


def _answers(activity: Any) -> dict[str, str]:
    params = _lower(activity.get("PROVIDER_PARAMS")) if isinstance(activity, Mapping) else {}
    fields = params.get("fields")
    known: dict[str, str] = {}
    for each in fields.values() if isinstance(fields, Mapping) else fields or []:
        one = _lower(each)
        name = _CODES.get(str(one.get("code") or one.get("name") or "").upper())
        text = _text(one.get("value", one.get("values")))
        if name and text:
            known.setdefault(name, text)
    return known


def _lower(value: Any) -> dict[str, Any]:
    """Keys of an object in lower case; nothing for the empty list PHP sends instead of one."""
    return {str(key).lower(): one for key, one in value.items()} if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    """Values are lists, also of one; those of a list field are objects."""
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, Mapping):
        first = first.get("title") or first.get("value")
    return " ".join(str(first).split()) if isinstance(first, str | int) else ""
