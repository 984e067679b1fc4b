"""Mails through the CRM: an outgoing, completed activity of type e-mail on the guest's contact, which the portal sends.

What Bitrix24 says (tutorials/crm/how-to-add-crm-objects/how-to-send-email, crm/timeline/activities/activity-base/*,
crm/data-types):

- ``crm.activity.add`` is no longer developed, yet "there is no replacement for this scenario: it is the only method
  that both sends the e-mail and records it in the client card". ``mail.message.send`` (scope ``mail``, REST 3.0) leaves
  nothing in the card, takes no files and gives no id that a lost answer could be looked up by; ``mailservice.*`` only
  names mail services. So this one.
- It sends if ``TYPE_ID`` 4, ``DIRECTION`` 2 and ``COMPLETED`` Y come together, and does not filter duplicates out.
- One communication with the address; ``TYPE`` is left out, because another value than EMAIL drops it.
- ``SETTINGS.MESSAGE_FROM``, ``Name <address>``; without it the portal takes the mailbox of the responsible employee,
  then the shared one of the CRM, and with neither answers ``Email send error. "From" is not found``. A copy goes to
  that address unless ``DISABLE_SENDING_MESSAGE_COPY`` is Y.
- An error that begins with ``Email send error`` leaves the activity behind although nothing was sent: "before
  repeating, delete the created activity". Any other error leaves nothing.
- ``ORIGINATOR_ID`` and ``ORIGIN_ID`` are ours to fill and to filter ``crm.activity.list`` by, so that an add whose
  answer was lost is looked up. That the activity is there says that the portal had the mail in hand, not that it left.
- ``DESCRIPTION_TYPE`` 3 is HTML (data-types and ``crm.enum.contenttype``; the tutorial swaps 2 and 3). The numbers of
  the files are known only afterwards, so that no picture can stand in the text: it is attached.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from smart_process.people import wire_address
from smart_process.schema import APP, CONTACT

EMAIL, OUTGOING, HTML = 4, 2, 3
Command = tuple[str, Mapping[str, Any]]
_SETUP = ('"From" is not found', 'module "subscribe"')
"""What the portal says when it could send no mail at all; documented as fixed, English."""


@dataclass(frozen=True)
class CrmLetter:
    """One mail to one guest.

    Args:
        marker: our key on the activity.
        sender: ``Name <address>``, or "" for the portal's own.
        responsible_id: the portal user whose mail it is.
    """

    marker: str
    contact_id: int
    to: str
    sender: str
    responsible_id: int
    subject: str
    html: str
    files: tuple[tuple[str, bytes], ...] = ()


def sender(name: str, address: str) -> str:
    """``MESSAGE_FROM``; "" without an address. What would end the name early is left out of it."""
    if not address:
        return ""
    plain = " ".join(re.sub(r"[<>()\[\],;:\"\\@]", " ", name).split())
    return f"{plain} <{wire_address(address)}>".strip()


def add(letter: CrmLetter, now: datetime) -> Command:
    """Have the portal send a mail."""
    at = now.isoformat(timespec="seconds")
    settings = {"DISABLE_SENDING_MESSAGE_COPY": "Y"} | (
        {"MESSAGE_FROM": letter.sender} if letter.sender else {}
    )
    return "crm.activity.add", {
        "fields": {
            "OWNER_TYPE_ID": CONTACT,
            "OWNER_ID": letter.contact_id,
            "TYPE_ID": EMAIL,
            "DIRECTION": OUTGOING,
            "COMPLETED": "Y",
            "SUBJECT": letter.subject,
            "DESCRIPTION": letter.html,
            "DESCRIPTION_TYPE": HTML,
            "COMMUNICATIONS": [
                {"VALUE": letter.to, "ENTITY_ID": letter.contact_id, "ENTITY_TYPE_ID": CONTACT},
            ],
            "START_TIME": at,
            "END_TIME": at,
            "RESPONSIBLE_ID": letter.responsible_id,
            "SETTINGS": settings,
            "FILES": [{"fileData": [name, b64encode(content).decode()]} for name, content in letter.files],
            "ORIGINATOR_ID": APP,
            "ORIGIN_ID": letter.marker,
        }
    }


def find(markers: Sequence[str]) -> Command:
    """Ask for the activities with these keys, up to 50."""
    return "crm.activity.list", {
        "filter": {"TYPE_ID": EMAIL, "ORIGINATOR_ID": APP, "@ORIGIN_ID": list(markers)},
        "select": ["ID", "ORIGIN_ID"],
    }


def found(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Our key → id of the activity that carries it."""
    return {str(row["ORIGIN_ID"]): int(row["ID"]) for row in rows}


def delete(activity_id: int) -> Command:
    """Take the record of a mail that was not sent off its card."""
    return "crm.activity.delete", {"id": activity_id}


def needs_setup(said: str) -> bool:
    """Whether a refusal concerns every mail, until somebody sets something up in the portal."""
    return any(one in said for one in _SETUP)
