"""The partner conference of the demo: what a marketer and an administrator type in once, typed in for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from smart_process import devices
from smart_process.admission import Gate, GateKind
from smart_process.card_paths import card_path
from smart_process.demo.portal import ADMIN, PortalFailed, Rest
from smart_process.schema import COMPANY, Binding
from smart_process.service import Service
from smart_process.settings import SegmentFields, Settings, Smtp
from smart_process.store import event_gates, setups
from smart_process.store import sync as store
from smart_process.store.sync import Row

if TYPE_CHECKING:
    from smart_process.demo.command import Demo

ZONE = ZoneInfo("Asia/Almaty")
TITLE = "Партнёрская конференция «Вектор»"
LINES = ["Насосы", "Вентиляция", "Автоматика", "Сервис"]
ENTRANCES = ("Главный вход", "Вход с парковки")
GATES = (
    *(Gate(name) for name in ENTRANCES),
    Gate("Закрытая сессия", GateKind.SESSION, flag="closed_session"),
    Gate("Стенд «Насосы»", GateKind.STAND),
    Gate("Стенд «Автоматика»", GateKind.STAND),
)
PORTAL_ID = 1
"""A demo's database knows one portal."""
T = TypeVar("T")


def prepare(demo: Demo) -> None:
    """Settings, the event's card and the CRM form; what exists is left alone."""
    kept = demo.kept
    _settings(demo)
    if not kept.event_item_id:
        demo.say("Мероприятие, форма регистрации, допуск для сканера…")
        kept.event_item_id = _add_event(demo)
        demo.folder.save()
    if not kept.form_id:
        kept.form_id = _add_form(demo)
        demo.folder.save()
        _settings(demo)
    if not kept.enrol_code:
        kept.enrol_code = _enrolment(demo)
        demo.folder.save()


def binding(demo: Demo) -> Binding:
    """Names in the demo's portal."""
    service = service_of(demo)
    with service.store.reading() as tx:
        return setups.read(tx, PORTAL_ID).bound


def event(demo: Demo) -> Row:
    """The event as the app knows it; waits until it does."""
    service = service_of(demo)

    def known() -> Row | None:
        with service.store.reading() as tx:
            return store.event_by_item(tx, PORTAL_ID, demo.kept.event_item_id)

    return wait_for("the app to see the event", known)


def event_code(demo: Demo) -> str:
    """The code in the event's public links."""
    return str(event(demo)["code"])


def event_path(demo: Demo) -> str:
    """Path of the event's card in the portal."""
    return card_path(binding(demo).event.entity_type_id, demo.kept.event_item_id)


def wait_for(what: str, look: Callable[[], T | None], within_s: float = 30.0) -> T:
    """Look until there is something.

    Raises:
        PortalFailed: there is nothing in time.
    """
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise PortalFailed(f"waited {within_s:.0f} s for {what}")


def service_of(demo: Demo) -> Service:
    """The running app's service."""
    if demo.app is None:
        raise PortalFailed("the app is not running")
    return demo.app.service


def rest_of(demo: Demo) -> Rest:
    """The portal's REST as its administrator."""
    if demo.rest is None:
        raise PortalFailed("the portal is not running")
    return demo.rest


def _settings(demo: Demo) -> None:
    """What an administrator answers: where mails leave, whose field is the segment, which form is whose."""
    change_settings(demo, lambda before: _answered(demo, before))


def _answered(demo: Demo, before: Settings) -> Settings:
    kept = demo.kept
    return replace(
        before,
        smtp=Smtp(
            host="127.0.0.1",
            port=kept.smtp_port,
            tls="none",
            from_address="events@vector.example",
            from_name="Вектор",
        ),
        form_events=before.form_events | ({str(kept.form_id): kept.event_item_id} if kept.form_id else {}),
        segment=before.segment if before.segment.potential else _segment(demo),
        fallback_owner_id=before.fallback_owner_id or ADMIN,
        closing_delay_min=0 if demo.playing else Settings().closing_delay_min,
    )


def change_settings(demo: Demo, change: Callable[[Settings], Settings]) -> None:
    """What an administrator saves."""
    service = service_of(demo)
    with service.store.reading() as tx:
        before = setups.read(tx, PORTAL_ID).settings
    now = change(before)
    if now != before:
        with service.store.transaction() as tx:
            setups.write_settings(tx, PORTAL_ID, now, now=service.clock())


def _segment(demo: Demo) -> SegmentFields:
    """The portal's own company fields for potential, cooperation and region, found by their titles."""
    fields = rest_of(demo).call("crm.item.fields", {"entityTypeId": COMPANY})["fields"]
    named = {str(spec.get("title", "")).casefold(): name for name, spec in fields.items()}
    potential = named.get("потенциал", "")
    levels = {"высокий": "high", "средний": "medium", "низкий": "low"}
    options = fields.get(potential, {}).get("items", [])
    return SegmentFields(
        potential=potential,
        cooperation=named.get("форма сотрудничества", ""),
        region=named.get("регион", ""),
        potentials={
            str(one["ID"]): levels[str(one["VALUE"]).casefold()]
            for one in options
            if str(one["VALUE"]).casefold() in levels
        },
    )


def _add_event(demo: Demo) -> int:
    kind = binding(demo).event
    start = (datetime.now(ZONE) + timedelta(days=1)).replace(hour=10, minute=0, second=0, microsecond=0)
    values = {
        "starts_at": start.isoformat(),
        "ends_at": (start + timedelta(hours=8)).isoformat(),
        "time_zone": ZONE.key,
        "place": "Алматы, отель «Достык», зал «Медеу»",
        "capacity": 1000,
        "product_lines": LINES,
        "sender": "Команда «Вектор»",
    }
    fields: dict[str, Any] = {kind.fields[name]: value for name, value in values.items()}
    fields |= {"title": TITLE, "stageId": kind.stages["open"], "assignedById": ADMIN}
    added = rest_of(demo).call("crm.item.add", {"entityTypeId": kind.entity_type_id, "fields": fields})
    return int(added["item"]["id"])


def _add_form(demo: Demo) -> int:
    """The CRM form «Регистрация»: a marketer draws it in the portal; a hidden field links it to the event."""
    names = binding(demo)
    shown = (
        ("last_name", "Фамилия", "string", "contact", "LAST_NAME"),
        ("first_name", "Имя", "string", "contact", "NAME"),
        ("company", "Компания", "string", "company", "TITLE"),
        ("position", "Должность", "string", "contact", "POST"),
        ("email", "E-mail", "email", "contact", "EMAIL"),
        ("phone", "Телефон", "phone", "contact", "PHONE"),
    )
    fields = [
        {"name": name, "caption": caption, "kind": kind, "entity": entity, "target": target, "required": "Y"}
        for name, caption, kind, entity, target in shown
    ]
    hidden = {
        "name": "event",
        "caption": "Мероприятие",
        "kind": "hidden",
        "entity": "item",
        "target": f"PARENT_ID_{names.event.entity_type_id}",
        "value": demo.kept.event_item_id,
    }
    definition = {
        "name": "Регистрация на конференцию",
        "target_type": names.participation.entity_type_id,
        "agreement": "Согласие на обработку персональных данных",
        "fields": [*fields, hidden],
    }
    return int(demo.portal.control("forms", definition)["id"])


def _enrolment(demo: Demo) -> str:
    row, service = event(demo), service_of(demo)
    with service.store.transaction() as tx:
        event_gates.write(tx, row["id"], GATES)
        return devices.create_enrolment(
            tx,
            row["id"],
            gates=[gate.name for gate in GATES],
            role="supervise",
            uses=10_000,
            hours=24 * 365,
            by="app",
            now=service.clock(),
        )
