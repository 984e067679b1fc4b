"""What a portal's queue server posts: bytes become a :class:`PortalEvent`, trust is decided. Pure: no I/O.

Events say only which object changed; whatever else stands in them is ignored, the object is read again.

Source: api-reference/events/index.md, api-reference/events/safe-event-handlers.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from b24.errors import Malformed, Untrusted
from b24.forms import number_of, parse_form, text_at
from b24.portals import UNINSTALLED, Portal
from b24.secrets import Secrets

LEAD, DEAL, CONTACT, COMPANY = 1, 2, 3, 4
_CLASSIC = re.compile(r"ONCRM(?P<type>LEAD|DEAL|CONTACT|COMPANY)(?P<action>ADD|UPDATE|DELETE|MOVETOCATEGORY)")
_CLASSIC_TYPES = {"LEAD": LEAD, "DEAL": DEAL, "CONTACT": CONTACT, "COMPANY": COMPANY}
_DYNAMIC = re.compile(r"ONCRMDYNAMICITEM(?P<action>ADD|UPDATE|DELETE)(?:_(?P<type>\d{1,9}))?")
_TASK = re.compile(r"ONTASK(?P<action>ADD|UPDATE|DELETE)")
_NAME = re.compile(r"[A-Z][A-Z0-9_:.\\-]{2,99}")


@dataclass(frozen=True)
class PortalEvent:
    """One event as it came; nothing in it is true before :func:`verify_event`.

    Attributes:
        event: upper case, whatever the sender wrote.
        ts: when the queue server sent it, not when the change happened; ``None`` when absent. Never a reason
            to refuse.
        data: nested maps of texts.
        access_token, refresh_token: of whoever caused it; usually absent, never stored from here.
    """

    event: str
    member_id: str
    application_token: str = field(repr=False)
    data: Mapping[str, Any] = field(repr=False)
    ts: datetime | None = None
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    language: str = ""

    def item(self) -> tuple[int, int] | None:
        """``(entity_type_id, id)`` of the CRM object concerned; ``None`` for events about something else.

        Raises:
            Malformed: no id, no type, or the type in the event's name and in its fields differ.
        """
        classic = _CLASSIC.fullmatch(self.event)
        if classic:
            return _CLASSIC_TYPES[classic["type"]], self._id("FIELDS")
        dynamic = _DYNAMIC.fullmatch(self.event)
        if not dynamic:
            return None
        named = number_of(dynamic["type"])
        given = number_of(text_at(self.data, "FIELDS", "ENTITY_TYPE_ID"))
        if named and given and named != given:
            raise Malformed("CONTRADICTION", "the event names two types")
        if not (named or given):
            raise Malformed("NO_TYPE", "the event names no type")
        return named or given or 0, self._id("FIELDS")

    def task_id(self) -> int | None:
        """Id of the task concerned; ``None`` for events about something else.

        Raises:
            Malformed: a task event without an id.
        """
        if not _TASK.fullmatch(self.event):
            return None
        # Deleted tasks have only FIELDS_BEFORE; absent maps come as the text "undefined".
        return self._id("FIELDS_AFTER", "FIELDS_BEFORE")

    @property
    def action(self) -> str:
        """``add``, ``update`` or ``delete``; ``""`` for events that are none of these."""
        patterns = (_CLASSIC, _DYNAMIC, _TASK)
        found = next((match for one in patterns if (match := one.fullmatch(self.event))), None)
        action = found["action"].lower() if found else ""
        return "update" if action == "movetocategory" else action

    @property
    def clean(self) -> bool:
        """ONAPPUNINSTALL: whether the administrator chose to delete the app's data (``"1"``; ``"0"`` is a
        text).
        """
        return text_at(self.data, "CLEAN") == "1"

    def _id(self, *places: str) -> int:
        for place in places:
            found = number_of(text_at(self.data, place, "ID"))
            if found:
                return found
        raise Malformed("NO_ID", "the event names no object")


def parse_event(raw: bytes) -> PortalEvent:
    """The event in a form body.

    Raises:
        Malformed: not an event of a portal.
    """
    form = parse_form(raw)
    name = text_at(form, "event", longest=100).upper()
    member_id = text_at(form, "auth", "member_id", longest=64)
    if not _NAME.fullmatch(name):
        raise Malformed("NO_EVENT", "not an event")
    if not member_id:
        raise Malformed("NO_MEMBER", "the event names no portal")
    data = form.get("data")
    return PortalEvent(
        event=name,
        member_id=member_id,
        application_token=text_at(form, "auth", "application_token", longest=200),
        data=data if isinstance(data, Mapping) else {},
        ts=_moment(text_at(form, "ts", longest=100)),
        access_token=text_at(form, "auth", "access_token", longest=1000),
        refresh_token=text_at(form, "auth", "refresh_token", longest=1000),
        language=text_at(form, "data", "LANGUAGE_ID", longest=100)[:8],
    )


def verify_event(event: PortalEvent, portal: Portal | None) -> Portal:
    """The portal an event really comes from: known, and the same ``application_token`` as at installation.

    Args:
        portal: found by ``event.member_id``, never by a domain; ``None`` when unknown.

    Raises:
        Untrusted: unknown portal, no token known yet, or another one. Compared in constant time.
    """
    known = portal.application_token if portal is not None else None
    same = Secrets.equal(known or "", event.application_token)
    if portal is None or not known or not same:
        raise Untrusted("FORGED_EVENT", "unknown portal or wrong application token")
    if portal.state == UNINSTALLED and event.event != "ONAPPUNINSTALL":
        raise Untrusted("NOT_INSTALLED", "the app was removed from this portal")
    return portal


def _moment(text: str) -> datetime | None:
    seconds = number_of(text)
    return datetime.fromtimestamp(seconds, UTC) if seconds and seconds < 10**11 else None
