"""Bonds by the older methods: contacts of a deal, a lead or a company, companies of a contact.

Source: crm/deals/contacts/*.md, crm/contacts/company/*.md, crm/companies/contacts/*.md.
"""

from __future__ import annotations

from typing import Any

from b24.sandbox.crm import links, store
from b24.sandbox.crm.classic import NAMES, fields_map, item_of
from b24.sandbox.crm.objects import COMPANY, CONTACT, DEAL, LEAD
from b24.sandbox.crm.params import either, integer, is_yes, listing, mapping
from b24.sandbox.crm.store import Item
from b24.sandbox.kernel import Call, RestError, method


class Bonds:
    """The methods for one pair of objects, e.g. ``crm.deal.contact.*``."""

    def __init__(self, owner_type: int, other_type: int) -> None:
        self.owner_type = owner_type
        self.other_type = other_type
        self.prefix = f"crm.{NAMES[owner_type]}.{NAMES[other_type]}"
        self.key = f"{NAMES[other_type].upper()}_ID"

    def register(self) -> None:
        """Make the methods known to the portal."""
        for name, run in (
            ("fields", self.fields),
            ("items.get", self.items_get),
            ("items.set", self.items_set),
            ("items.delete", self.items_delete),
            ("add", self.add),
            ("delete", self.delete),
        ):
            method(f"{self.prefix}.{name}", scope="crm")(run)

    def present(self, call: Call, owner: Item) -> list[int]:
        """Ids bound now, the primary one first."""
        if self.owner_type == CONTACT:
            return links.companies_of(call.db, owner.id)
        return links.contacts_of(call.db, self.owner_type, owner.id)

    def save(self, call: Call, owner: Item, wanted: list[int]) -> None:
        """Replace the bonds."""
        upper = "COMPANY_IDS" if self.other_type == COMPANY else "CONTACT_IDS"
        store.update(call.portal, call.user_id, owner, {upper: wanted})

    def other_id(self, fields: dict[str, Any]) -> int:
        """The id a caller wants to bind."""
        number = integer(fields.get(self.key))
        if not number or number < 0:
            raise RestError("", f"The parameter '{self.key}' is invalid or not defined.")
        return number

    def fields(self, _call: Call) -> Any:
        """Description of a bond."""
        usual = {"isReadOnly": False, "isImmutable": False, "isMultiple": False, "isDynamic": False}
        title = "Компания" if self.other_type == COMPANY else "Контакт"
        return {
            self.key: {"type": "integer", "isRequired": True, **usual, "title": title},
            "SORT": {"type": "integer", "isRequired": False, **usual, "title": "Сортировка"},
            "IS_PRIMARY": {"type": "char", "isRequired": False, **usual, "title": "Первичный"},
        }

    def items_get(self, call: Call) -> Any:
        """All bonds, the primary one first."""
        owner = item_of(call, self.owner_type, "read")
        return [
            {self.key: number, "SORT": 10 * place, "ROLE_ID": 0, "IS_PRIMARY": "Y" if place == 1 else "N"}
            for place, number in enumerate(self.present(call, owner), 1)
        ]

    def items_set(self, call: Call) -> bool:
        """Replace all bonds."""
        owner = item_of(call, self.owner_type, "update")
        items = either(call, "items")
        if not isinstance(items, dict | list):
            raise RestError("", "The parameter items must be array.")
        rows = [mapping(each) for each in listing(items)]
        rows.sort(key=lambda row: (not is_yes(row.get("IS_PRIMARY")), integer(row.get("SORT")) or 0))
        self.save(call, owner, [self.other_id(row) for row in rows])
        return True

    def items_delete(self, call: Call) -> bool:
        """Remove all bonds."""
        self.save(call, item_of(call, self.owner_type, "update"), [])
        return True

    def add(self, call: Call) -> bool:
        """Add one bond; ``false`` when it is there already."""
        owner = item_of(call, self.owner_type, "update")
        fields = fields_map(call)
        present = self.present(call, owner)
        number = self.other_id(fields)
        if number in present:
            return False
        self.save(call, owner, [number, *present] if is_yes(fields.get("IS_PRIMARY")) else [*present, number])
        return True

    def delete(self, call: Call) -> bool:
        """Remove one bond; ``false`` when there is none."""
        owner = item_of(call, self.owner_type, "update")
        present = self.present(call, owner)
        number = self.other_id(fields_map(call))
        if number not in present:
            return False
        self.save(call, owner, [each for each in present if each != number])
        return True


for _owner, _other in ((DEAL, CONTACT), (LEAD, CONTACT), (COMPANY, CONTACT), (CONTACT, COMPANY)):
    Bonds(_owner, _other).register()
