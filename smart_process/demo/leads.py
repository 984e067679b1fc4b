"""Lead mode on, in ``demo --play --edits``: another form of the portal makes leads; colleagues convert some of them.

The form is named in the app's settings; a lead registers its guest, and the deal it is converted into is the guest's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from smart_process.demo import conference
from smart_process.demo.cast import Cast, Stranger
from smart_process.demo.doors import Crm
from smart_process.schema import COMPANY, CONTACT, DEAL, LEAD

if TYPE_CHECKING:
    from smart_process.demo.command import Demo

TITLE = "Заявка на участие"
SHOWN = (
    ("last_name", "Фамилия", "string", "LAST_NAME"),
    ("first_name", "Имя", "string", "NAME"),
    ("company", "Компания", "string", "COMPANY_TITLE"),
    ("position", "Должность", "string", "POST"),
    ("email", "E-mail", "email", "EMAIL"),
    ("phone", "Телефон", "phone", "PHONE"),
)
CONVERTED = 0.4
"""So many of the leads that are left are converted at each time of the day."""


class Leads:
    """The form of one day, and what became of its leads."""

    def __init__(self, demo: Demo, cast: Cast) -> None:
        self._demo, self._cast = demo, cast

    def fill(self, people: Sequence[Stranger]) -> None:
        """Everybody fills the form in; it is drawn and mapped when there is none yet."""
        form_id = self._form()
        for one in people:
            values = {name: value for name, value in one.typed().items() if name != "consent"}
            self._demo.portal.control(f"forms/{form_id}/submit", values)

    def convert(self, user_id: int, when: str) -> int:
        """A colleague converts some leads on the portal's page, often into a deal too; how many."""
        where = {"webformId": self._form(), "stageSemanticId": "P"}
        rest, done = conference.rest_of(self._demo), 0
        for lead in Crm(rest).items(LEAD, where, ["id", "title", "lastName", "companyTitle"]):
            chance = self._cast.chance(f"convert:{when}:{lead['lastName']}:{lead['companyTitle']}")
            if chance.random() < CONVERTED:
                kinds = [CONTACT, COMPANY, *([DEAL] if chance.random() < 0.7 else [])]
                form = {f"make:{kind}": "1" for kind in kinds}
                self._demo.portal.page(f"/crm/lead/convert/{lead['id']}/", form, user_id=user_id)
                done += 1
        return done

    def _form(self) -> int:
        for one in self._demo.portal.control("forms"):
            if one["name"] == TITLE:
                return int(one["id"])
        fields = [
            {"name": name, "caption": caption, "kind": kind, "entity": "item", "target": target}
            for name, caption, kind, target in SHOWN
        ]
        definition = {"name": TITLE, "target_type": LEAD, "fields": fields}
        form_id = int(self._demo.portal.control("forms", definition)["id"])
        conference.change_settings(
            self._demo,
            lambda before: replace(
                before,
                form_events=before.form_events | {str(form_id): self._demo.kept.event_item_id},
            ),
        )
        return form_id
