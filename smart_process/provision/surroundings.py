"""What stands around the data: card layout, tabs, events.

Sources: crm/universal/item-details-configuration/*.md, widgets/placement-*.md, events/event-*.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_process.provision.workplace import Report, Workplace
from smart_process.schema import (
    EVENTS,
    OFFLINE_EVENTS,
    PLACEMENTS,
    TYPES,
    PlacementSpec,
    TypeSpec,
    userfield_name,
)


def make_layout(w: Workplace) -> Report:
    """Arrange the cards for everybody, unless somebody has arranged them already."""
    report = Report()
    for spec in TYPES.values():
        known = w.types[spec.key]
        place = {
            "entityTypeId": known["entity_type_id"],
            "scope": "C",
            "extras": {"categoryId": known["category_id"]},
        }
        if w.client.call("crm.item.details.configuration.get", place):
            report.found.append(str(known["title"]))
            continue
        data = _sections(w, spec)
        w.client.call("crm.item.details.configuration.set", {**place, "data": data}, write=True)
        report.made.append(str(known["title"]))
    return report


def _sections(w: Workplace, spec: TypeSpec) -> list[dict[str, Any]]:
    known = w.types[spec.key]
    fields = {one.name: userfield_name(known["id"], one.code) for one in spec.fields}
    fields |= {f"PARENT:{key}": f"PARENT_ID_{number}" for key, number in w.entity_type_ids().items()}
    fields["PARENT:2"] = "PARENT_ID_2"
    return [
        {
            "name": name,
            "title": title.get(w.language),
            "type": "section",
            "elements": [{"name": fields.get(one, one), "optionFlags": 1} for one in elements],
        }
        for name, title, elements in spec.layout
    ]


def placement_address(w: Workplace, spec: PlacementSpec) -> str:
    """Where a placement opens."""
    return f"{w.public_url}/b24/placement/{spec.name}"


def bind_placements(w: Workplace) -> Report:
    """Bind our tabs where they are missing and unbind those on former addresses."""
    report = Report()
    numbers = w.entity_type_ids()
    wanted = {(one.code_in(numbers), placement_address(w, one)): one for one in PLACEMENTS}
    bound = {(str(row["placement"]), str(row["handler"])) for row in w.client.call("placement.get", {}) or []}
    commands: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for index, (code, handler) in enumerate(sorted(bound - set(wanted))):
        commands[f"unbind{index}"] = ("placement.unbind", {"PLACEMENT": code, "HANDLER": handler})
    for (code, handler), spec in wanted.items():
        if (code, handler) in bound:
            report.found.append(spec.title.get(w.language))
            continue
        commands[f"bind_{spec.name}"] = (
            "placement.bind",
            {
                "PLACEMENT": code,
                "HANDLER": handler,
                "TITLE": spec.title.get(w.language),
                "LANG_ALL": {language: {"TITLE": text} for language, text in spec.title.map().items()},
            },
        )
        report.made.append(spec.title.get(w.language))
    w.write_all(commands)
    return report


def bind_events(w: Workplace) -> Report:
    """Listen to the events we need, at our present address only, and have the portal keep them in its queue too."""
    report = Report()
    handler = f"{w.public_url}/b24/events"
    offered = {str(name).upper() for name in w.client.call("events", {}) or []}
    known = w.client.call("event.get", {}) or []
    kept = {str(row["event"]).upper() for row in known if int(row.get("offline") or 0)}
    rows = [row for row in known if not int(row.get("offline") or 0)]
    bound = {(str(row["event"]).upper(), str(row["handler"])) for row in rows}
    commands: dict[str, tuple[str, Mapping[str, Any]]] = {
        f"unbind{index}": ("event.unbind", {"event": name, "handler": address})
        for index, (name, address) in enumerate(sorted(bound))
        if name not in EVENTS or address != handler
    }
    for name in EVENTS:
        if name not in offered:
            continue
        if (name, handler) in bound:
            report.found.append(name)
        else:
            commands[f"bind_{name}"] = ("event.bind", {"event": name, "handler": handler})
            report.made.append(name)
    w.write_all(commands)
    missing = [name for name in OFFLINE_EVENTS if name in offered and name not in kept]
    if missing:
        # A portal that keeps no queue refuses nothing we need: the sweeps find what its events lose.
        w.client.batch(
            {name: ("event.bind", {"event": name, "event_type": "offline"}) for name in missing}, write=True
        )
    return report
