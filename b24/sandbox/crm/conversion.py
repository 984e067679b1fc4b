"""Lead conversion, as a person starts it in the lead's card; REST has no method for it.

A lead becomes a contact, a company and a deal which point back to it (``leadId``); the lead gets its clients and
the successful stage. Source: crm/leads/index.md (conversion), crm/universal/object-fields.md (leadId).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from b24.sandbox.crm import links, multifields, rights, store
from b24.sandbox.crm.multifields import Change
from b24.sandbox.crm.objects import COMPANY, CONTACT, DEAL, LEAD
from b24.sandbox.crm.schema import SUCCESS, read_schema
from b24.sandbox.crm.store import Item
from b24.sandbox.crm.values import is_empty
from b24.sandbox.kernel import RestError

_EVERYWHERE = (
    "SOURCE_ID", "SOURCE_DESCRIPTION", "ASSIGNED_BY_ID", "OPENED", "COMMENTS", "WEBFORM_ID", "ORIGINATOR_ID",
    "ORIGIN_ID", "UTM_SOURCE", "UTM_MEDIUM", "UTM_CAMPAIGN", "UTM_CONTENT", "UTM_TERM",
)  # fmt: skip
_CARRIED = {
    CONTACT: ("HONORIFIC", "NAME", "SECOND_NAME", "LAST_NAME", "BIRTHDATE", "POST"),
    COMPANY: (),
    DEAL: ("TITLE", "OPPORTUNITY", "CURRENCY_ID", "IS_MANUAL_OPPORTUNITY"),
}


@dataclass(frozen=True)
class Converted:
    """What a lead became; 0 for what was not wanted."""

    contact_id: int = 0
    company_id: int = 0
    deal_id: int = 0


def convert(
    portal: Any, user_id: int, lead_id: int, wanted: set[int], *, category_id: int | None = None
) -> Converted:
    """Convert a lead; call inside a transaction.

    Args:
        wanted: entityTypeIds to make: contact, company, deal. A client the lead has already is kept, not made.
        category_id: funnel of the deal, the default one for ``None``.

    Raises:
        RestError: ``NOT_FOUND``, ``ACCESS_DENIED``, ``INVALID_ARG_VALUE`` (converted already, nothing to make), or
            what refuses the new cards.
    """
    lead = _lead(portal, user_id, lead_id, wanted)
    company = _client(lead.value("COMPANY_ID")) or _make_company(portal, user_id, lead, wanted)
    contacts = links.contacts_of(portal.db, LEAD, lead.id)
    contact = contacts[0] if contacts else _make_contact(portal, user_id, lead, wanted, company)
    deal = 0
    if DEAL in wanted:
        clients = {"COMPANY_ID": company or None, "CONTACT_ID": contact or None, "CATEGORY_ID": category_id}
        deal = _make(portal, user_id, DEAL, lead, clients, [])
    stages = read_schema(portal.db).stages(lead.kind, 0)
    won = next(stage.status_id for stage in stages if stage.semantics == SUCCESS)
    values = {"COMPANY_ID": company or None, "CONTACT_ID": contact or None, "STAGE_ID": won}
    store.update(portal, user_id, lead, values, checked=False)
    return Converted(contact, company, deal)


def _client(value: Any) -> int:
    return int(value or 0)


def _lead(portal: Any, user_id: int, lead_id: int, wanted: set[int]) -> Item:
    found = store.find(portal.db, read_schema(portal.db).types[LEAD], lead_id)
    if found is None:
        raise RestError("NOT_FOUND", "Лида нет.")
    rights.demand(portal, user_id, LEAD, "update", found.row)
    for number in wanted:
        rights.demand(portal, user_id, number, "add")
    if found.row["semantics"] == SUCCESS:
        raise RestError("INVALID_ARG_VALUE", "Лид уже сконвертирован.")
    if not wanted or not wanted <= set(_CARRIED):
        raise RestError("INVALID_ARG_VALUE", "Выберите, что создать: контакт, компанию, сделку.")
    return found


def _make_company(portal: Any, user_id: int, lead: Item, wanted: set[int]) -> int:
    """The company the lead names; a lead of a person without one makes none."""
    title = lead.value("COMPANY_TITLE")
    if COMPANY not in wanted or not title:
        return 0
    told = [] if _is_person(lead) and CONTACT in wanted else _communications(portal, lead)
    return _make(portal, user_id, COMPANY, lead, {"TITLE": title}, told)


def _make_contact(portal: Any, user_id: int, lead: Item, wanted: set[int], company: int) -> int:
    if CONTACT not in wanted or (not _is_person(lead) and company):
        return 0
    values: dict[str, Any] = {} if _is_person(lead) else {"NAME": lead.value("TITLE")}
    if company:
        values["COMPANY_IDS"] = [company]
    return _make(portal, user_id, CONTACT, lead, values, _communications(portal, lead))


def _is_person(lead: Item) -> bool:
    return any(lead.value(name) for name in ("NAME", "LAST_NAME", "SECOND_NAME"))


def _communications(portal: Any, lead: Item) -> list[Change]:
    rows = multifields.rows_of(portal.db, LEAD, lead.id)
    return [Change(None, row["type_id"], row["value_type"], row["value"]) for row in rows]


def _make(
    portal: Any, user_id: int, entity_type_id: int, lead: Item, values: dict[str, Any], told: list[Change]
) -> int:
    """A card that points back to its lead."""
    kind = read_schema(portal.db).types[entity_type_id]
    carried = {name: lead.value(name) for name in (*_EVERYWHERE, *_CARRIED[entity_type_id])}
    kept = {name: value for name, value in carried.items() if name in kind.by_upper and not is_empty(value)}
    filled = {name: value for name, value in values.items() if value is not None}
    return store.create(portal, user_id, kind, kept | {"LEAD_ID": lead.id} | filled, told)
