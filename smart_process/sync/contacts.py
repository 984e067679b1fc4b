"""Contacts of the portal as descriptions of people: how they are searched for, read and normalised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from smart_process.people import Contact, Identity, email_of, phone_of
from smart_process.schema import CONTACT
from smart_process.sync import picture
from smart_process.sync.work import Work


def search(kind: str, values: Sequence[str]) -> tuple[str, Mapping[str, Any]]:
    """Ask for contacts with one of these addresses or numbers (crm/duplicates/crm-duplicate-find-by-comm)."""
    return "crm.duplicate.findbycomm", {"type": kind, "values": list(values), "entity_type": "CONTACT"}


def phone_spellings(phone: str) -> list[str]:
    """How a number may stand in the CRM: findbycomm compares whole numbers (trap 49)."""
    if phone.startswith("+7"):
        return [phone, f"8{phone[2:]}", phone[1:]]
    return [phone, phone[1:]]


def ids_of(found: Any) -> list[int]:
    """Contacts a search answered with."""
    # findbycomm answers `[]` for nothing and an object otherwise; a list answers with items.
    if isinstance(found, Mapping):
        hits = found["items"] if "items" in found else found.get("CONTACT", [])
        return [int(one["id"] if isinstance(one, Mapping) else one) for one in hits]
    return []


def cards(work: Work, ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """Contacts by id with their phones and mails; without those that are gone.

    Raises:
        B24Error: the portal could not be asked.
    """
    return {int(item["id"]): item for item in work.items(CONTACT, ids)}


def contact_card(item: Mapping[str, Any], region: str, person: Identity | None = None) -> Contact:
    """A contact as ``crm.item.*`` shows it, addresses and numbers normalised.

    Of several mails and phones those count that ``person`` has too, else the first ones.
    """
    emails = [email_of(str(one.get("value", ""))) for one in _fm(item, "EMAIL")]
    phones = [phone_of(str(one.get("value", "")), region) for one in _fm(item, "PHONE")]
    return Contact(
        last_name=str(item.get("lastName") or ""),
        first_name=str(item.get("name") or ""),
        email=_shared(emails, person.email if person else ""),
        phone=_shared(phones, person.phone if person else ""),
        position=str(item.get("post") or ""),
        contact_id=int(item["id"]),
        company_id=picture.number(item.get("companyId")) or None,
        company_ids=tuple(picture.number(one) for one in item.get("companyIds") or []),
    )


def addresses(item: Mapping[str, Any], region: str) -> list[str]:
    """All mail addresses and numbers of a contact, normalised."""
    found = [email_of(str(one.get("value", ""))) for one in _fm(item, "EMAIL")]
    found += [phone_of(str(one.get("value", "")), region) for one in _fm(item, "PHONE")]
    return [one for one in found if one]


def _shared(values: Sequence[str], wanted: str) -> str:
    return wanted if wanted in values else next((one for one in values if one), "")


def _fm(item: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    return [one for one in item.get("fm") or [] if isinstance(one, Mapping) and one.get("typeId") == kind]
