"""Stages of our smart processes: automatic ones renamed once, ours added, those people made kept.

Sources: crm/status/*.md, tutorials "how-to-add-category-to-spa".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_process.provision.workplace import Report, Workplace
from smart_process.schema import TYPES, StageSpec, TypeSpec

AUTOMATIC = frozenset({"NEW", "PREPARATION", "CLIENT", "SUCCESS", "FAIL"})
"""Codes a new funnel brings along."""
_FIRST_SORT = {"": 10, "S": 1000, "F": 1010}


def make_stages(w: Workplace) -> Report:
    """Bring the stages of both types to what we need and note their codes."""
    report = Report()
    for spec in TYPES.values():
        _make(w, spec, report)
    return report


def stage_rows(w: Workplace, spec: TypeSpec) -> dict[str, dict[str, Any]]:
    """Rows of the directory with a type's stages, by their code without the prefix."""
    rows = w.client.call(
        "crm.status.list", {"filter": {"ENTITY_ID": _entity(w, spec)}, "order": {"SORT": "ASC"}}
    )
    return {str(row["STATUS_ID"]).rpartition(":")[2]: row for row in rows}


def stage_codes(w: Workplace, spec: TypeSpec) -> dict[str, str]:
    """Our stage key → ``STATUS_ID`` as the portal has it; missing ones are missing."""
    rows = stage_rows(w, spec)
    return {str(one.key): str(rows[one.code]["STATUS_ID"]) for one in spec.stages if one.code in rows}


def _make(w: Workplace, spec: TypeSpec, report: Report) -> None:
    rows = stage_rows(w, spec)
    title = w.types[spec.key]["title"]
    commands: dict[str, tuple[str, Mapping[str, Any]]] = {}
    # Once all stages were there the names are people's: they are written only before that.
    if not _finished(w, spec, rows):
        commands |= _renames(w, spec, rows)
    commands |= _additions(w, spec, rows)
    if commands:
        w.write_all(commands)
        report.changed.append(f"{title}: {len(commands)}")
    else:
        report.found.append(f"{title}: {len(spec.stages)}")
    done = w.book.notes.setdefault("stages_done", [])
    if spec.key not in done:
        done.append(spec.key)
        w.book.keep()


def _finished(w: Workplace, spec: TypeSpec, rows: Mapping[str, Any]) -> bool:
    if spec.key in w.book.notes.get("stages_done", []):
        return True
    made_by_us = spec.key in w.book.notes.get("reserved", {})
    return not made_by_us and all(one.code in rows for one in spec.stages)


def _renames(
    w: Workplace, spec: TypeSpec, rows: Mapping[str, dict[str, Any]]
) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Updates of automatic stages, last ones first: a working stage may not stand behind the final one."""
    commands: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for one, sort in reversed(_sorted(spec)):
        row = rows.get(one.code)
        if row is None or one.code not in AUTOMATIC:
            continue
        wanted = {"NAME": one.title.get(w.language), "SORT": sort, "COLOR": one.color}
        if any(str(row.get(name)) != str(value) for name, value in wanted.items()):
            commands[f"rename{one.code}"] = ("crm.status.update", {"id": row["ID"], "fields": wanted})
    return commands


def _additions(
    w: Workplace, spec: TypeSpec, rows: Mapping[str, Any]
) -> dict[str, tuple[str, Mapping[str, Any]]]:
    return {
        f"add{one.code}": (
            "crm.status.add",
            {
                "fields": {
                    "ENTITY_ID": _entity(w, spec),
                    "STATUS_ID": one.code,
                    "NAME": one.title.get(w.language),
                    "SORT": sort,
                    "COLOR": one.color,
                    "SEMANTICS": one.semantics,
                }
            },
        )
        for one, sort in _sorted(spec)
        if one.code not in rows
    }


def _sorted(spec: TypeSpec) -> list[tuple[StageSpec, int]]:
    """Stages with their sort: working ones, success, failures."""
    counts = dict.fromkeys(_FIRST_SORT, 0)
    placed = []
    for one in spec.stages:
        placed.append((one, _FIRST_SORT[one.semantics] + 10 * counts[one.semantics]))
        counts[one.semantics] += 1
    return placed


def _entity(w: Workplace, spec: TypeSpec) -> str:
    known = w.types[spec.key]
    return f"DYNAMIC_{known['entity_type_id']}_STAGE_{known['category_id']}"
