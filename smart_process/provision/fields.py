"""Custom fields of our smart processes and of deals; their names and options are read back.

Sources: crm/universal/userfieldconfig/*.md, crm/universal/crm-item-fields.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from smart_process.provision.workplace import Report, SetupProblem, Workplace
from smart_process.schema import (
    DEAL,
    DEAL_FIELDS,
    TYPES,
    FieldSpec,
    Words,
    field_label,
    marker_id,
    userfield_entity,
    userfield_name,
)

_DEALS = Words("Сделки", "Deals", "Мәмілелер")


@dataclass(frozen=True)
class Owner:
    """Whose fields: a smart process of ours or deals."""

    key: str
    entity_type_id: int
    type_id: int
    title: str
    specs: tuple[FieldSpec, ...]

    def upper(self, spec: FieldSpec) -> str:
        """Name of a field in the portal's database."""
        return userfield_name(self.type_id, spec.code)

    @property
    def entity_id(self) -> str:
        """``entityId`` of ``userfieldconfig.*``."""
        return userfield_entity(self.type_id)


def owners(w: Workplace) -> list[Owner]:
    """Everything that carries fields of ours."""
    found = [
        Owner(
            key,
            int(known["entity_type_id"]),
            int(known["id"]),
            str(known["title"]),
            TYPES[key].fields,
        )
        for key, known in w.types.items()
    ]
    return [*found, Owner("deal", DEAL, 0, _DEALS.get(w.language), DEAL_FIELDS)]


def make_fields(w: Workplace) -> Report:
    """Add the fields that are missing, and missing options of enumerations."""
    report = Report()
    for owner in owners(w):
        known = _by_upper(w, owner)
        missing = [spec for spec in owner.specs if owner.upper(spec) not in known]
        if missing:
            if owner.key == "participation":
                # Before: an empty field read in between must not look like a person's change.
                w.book.forget_values([spec.name for spec in missing])
            w.write_all({spec.name: ("userfieldconfig.add", _new_field(w, owner, spec)) for spec in missing})
            known = _by_upper(w, owner)
            report.made.append(f"{owner.title}: {len(missing)}")
        else:
            report.found.append(f"{owner.title}: {len(owner.specs)}")
        _check_types(owner, known)
        _make_options(w, owner, report)
    return report


def field_names(w: Workplace, owner: Owner) -> tuple[dict[str, str], dict[str, str]]:
    """Our field names → names in ``crm.item.*``, and → names in the database."""
    known = _by_upper(w, owner)
    there = [spec for spec in owner.specs if owner.upper(spec) in known]
    return (
        {spec.name: known[owner.upper(spec)][0] for spec in there},
        {spec.name: owner.upper(spec) for spec in there},
    )


def option_ids(w: Workplace, owner: Owner) -> dict[str, dict[str, int]]:
    """Ids of the options of our enumerations: our field → our value → id."""
    return {spec.name: _options(_config(w, owner, spec), owner, spec) for spec in owner.specs if spec.options}


def _by_upper(w: Workplace, owner: Owner) -> dict[str, tuple[str, dict[str, Any]]]:
    fields = w.item_fields(owner.entity_type_id)
    return {str(one.get("upperName")): (name, one) for name, one in fields.items()}


def _new_field(w: Workplace, owner: Owner, spec: FieldSpec) -> dict[str, Any]:
    made: dict[str, Any] = {
        "entityId": owner.entity_id,
        "fieldName": owner.upper(spec),
        "userTypeId": spec.kind,
        "xmlId": marker_id(owner.key, spec.name),
        "multiple": "Y" if spec.multiple else "N",
        "mandatory": "N",
        "showFilter": "Y" if spec.in_filter else "N",
        "sort": 100 + 10 * owner.specs.index(spec),
        "editFormLabel": field_label(spec),
    }
    if spec.options:
        made["enum"] = _new_options(w, owner, spec, spec.options)
    return {"moduleId": "crm", "field": made}


def _new_options(w: Workplace, owner: Owner, spec: FieldSpec, values: Iterable[str]) -> list[dict[str, Any]]:
    order = list(spec.options)
    return [
        {
            "value": spec.options[value].get(w.language),
            "sort": 100 * (1 + order.index(value)),
            "xmlId": _option_xml_id(owner, spec, value),
        }
        for value in values
    ]


def _option_xml_id(owner: Owner, spec: FieldSpec, value: str) -> str:
    return f"{marker_id(owner.key, spec.name)}.{value}"


def _check_types(owner: Owner, known: Mapping[str, tuple[str, dict[str, Any]]]) -> None:
    for spec in owner.specs:
        _name, description = known.get(owner.upper(spec), ("", {}))
        there = (description.get("type"), bool(description.get("isMultiple")))
        if there != (spec.kind, spec.multiple):
            label = spec.label
            raise SetupProblem(
                Words(
                    f"Поле «{label.ru}» ({owner.upper(spec)}) имеет другой тип. Удалите его в "
                    "настройках CRM и "
                    "повторите: приложение создаст своё.",
                    f"Field “{label.en}” ({owner.upper(spec)}) has another type. Remove it in the CRM "
                    "settings "
                    "and try again: the app will make its own.",
                    f"«{label.kk}» өрісінің ({owner.upper(spec)}) түрі басқа. Оны CRM баптауларынан жойып, "
                    "қайталаңыз: қосымша өзінікін жасайды.",
                ),
                "field_type",
            )


def _make_options(w: Workplace, owner: Owner, report: Report) -> None:
    for spec in owner.specs:
        if not spec.options:
            continue
        config = _config(w, owner, spec)
        missing = [value for value in spec.options if value not in _options(config, owner, spec)]
        if not missing:
            continue
        kept = [
            {key: one[key] for key in ("id", "value", "sort", "def") if key in one} for one in config["enum"]
        ]
        w.client.call(
            "userfieldconfig.update",
            {
                "moduleId": "crm",
                "id": config["id"],
                "field": {
                    "userTypeId": "enumeration",
                    "enum": [*kept, *_new_options(w, owner, spec, missing)],
                },
            },
            write=True,
        )
        report.changed.append(spec.label.get(w.language))


def _config(w: Workplace, owner: Owner, spec: FieldSpec) -> dict[str, Any]:
    """Settings of one field with its options (a list does not promise them)."""
    rows = w.client.listed(
        "userfieldconfig.list",
        {
            "moduleId": "crm",
            "select": {"0": "id", "1": "entityId", "2": "fieldName"},
            "filter": {"fieldName": owner.upper(spec)},
        },
        rows_at="fields",
    )
    number = next(int(row["id"]) for row in rows if row.get("entityId") == owner.entity_id)
    result = w.client.call("userfieldconfig.get", {"moduleId": "crm", "id": number})
    config: dict[str, Any] = dict(result["field"])
    config["enum"] = list(config.get("enum") or [])
    return config


def _options(config: Mapping[str, Any], owner: Owner, spec: FieldSpec) -> dict[str, int]:
    by_xml_id = {str(one.get("xmlId")): int(one["id"]) for one in config["enum"]}
    wanted = {value: _option_xml_id(owner, spec, value) for value in spec.options}
    return {value: by_xml_id[xml_id] for value, xml_id in wanted.items() if xml_id in by_xml_id}
