"""A segment: companies by potential, form of cooperation and region, read from the CRM a portion at a time.

A portion is a page of companies with their contacts, so that a segment of any size shows progress and no
request waits long. The page asks for the next portion with the last company's id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from b24.client import Client
from smart_process.people import Contact
from smart_process.schema import COMPANY, CONTACT
from smart_process.settings import Settings
from smart_process.sync.contacts import contact_card
from smart_process.sync.segments import account

NAMES = ("potential", "cooperation", "region")
PAGE = 50
MOST_VALUES, LONGEST_VALUE = 200, 100


class BadChoice(ValueError):
    """What was sent is no choice of a segment."""


@dataclass(frozen=True)
class Question:
    """One field of a segment with the values to choose from; without ``options`` a value is typed.

    ``title`` is the portal's own name of the field; an option is ``(value, text)``.
    """

    name: str
    title: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Portion:
    """One page of a segment. ``last``: id of its last company, ``None`` when that was the last page.

    ``accounts`` are columns of table ``account`` for the rules.
    """

    companies: int
    contacts: tuple[Contact, ...]
    accounts: tuple[Mapping[str, Any], ...]
    last: int | None


Choice = Mapping[str, tuple[str, ...]]
"""Chosen values per name; a name without values does not restrict."""


def parse_choice(data: Any) -> Choice:
    """What a page sent, as a choice.

    Raises:
        BadChoice: it is none.
    """
    if not isinstance(data, Mapping) or not set(data) <= set(NAMES):
        raise BadChoice("segment")
    choice = {name: tuple(values) for name, values in data.items() if isinstance(values, list)}
    if set(choice) != set(data) or not all(_is_value(one) for some in choice.values() for one in some):
        raise BadChoice("segment")
    if sum(map(len, choice.values())) > MOST_VALUES:
        raise BadChoice("segment")
    return choice


def _is_value(one: Any) -> bool:
    return isinstance(one, str) and 0 < len(one) <= LONGEST_VALUE


def questions(client: Client, settings: Settings) -> list[Question]:
    """What can be chosen in this portal: only fields its administrators named.

    Source: crm/universal/crm-item-fields.md; crm/status/crm-status-list.md.
    """
    fields = client.call("crm.item.fields", {"entityTypeId": COMPANY})["fields"]
    named = [(name, getattr(settings.segment, name)) for name in NAMES]
    return [
        Question(name, str(fields[api].get("title") or name), _options(client, fields[api]))
        for name, api in named
        if api and api in fields
    ]


def _options(client: Client, spec: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    if spec.get("type") == "crm_status":
        known = client.rows(
            "crm.status.list", {"filter": {"ENTITY_ID": spec.get("statusType")}}, rows_at=None
        )
        return tuple((str(one["STATUS_ID"]), str(one["NAME"])) for one in known)
    items = spec.get("items") or []
    return tuple((str(one["ID"]), str(one["VALUE"])) for one in items)


def size(client: Client, choice: Choice, settings: Settings) -> int:
    """How many companies the segment has."""
    asked = {"entityTypeId": COMPANY, "filter": _filter(choice, settings), "select": ["id"], "start": 0}
    return client.ask("crm.item.list", asked).total or 0


def portion(client: Client, choice: Choice, settings: Settings, after: int) -> Portion:
    """The next companies of a segment after one, with their contacts."""
    asked = {
        "entityTypeId": COMPANY,
        "filter": _filter(choice, settings) | {">id": after},
        "order": {"id": "ASC"},
        "start": -1,
    }
    companies = client.call("crm.item.list", asked)["items"]
    ids = [int(one["id"]) for one in companies]
    contacts = _contacts(client, ids, settings.region) if ids else ()
    return Portion(
        len(ids),
        contacts,
        tuple(account(one, settings) for one in companies),
        max(ids) if len(ids) == PAGE else None,
    )


def _contacts(client: Client, company_ids: Sequence[int], region: str) -> tuple[Contact, ...]:
    # Without a selection: only then phones and mails come along.
    found = client.rows(
        "crm.item.list", {"entityTypeId": CONTACT, "filter": {"@companyId": list(company_ids)}}
    )
    return tuple(contact_card(one, region) for one in found)


def _filter(choice: Choice, settings: Settings) -> dict[str, Any]:
    return {
        f"@{getattr(settings.segment, name)}": list(values)
        for name, values in choice.items()
        if values and getattr(settings.segment, name)
    }
